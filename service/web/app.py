"""The web application: routes, errors and edge, put together."""

from __future__ import annotations

from quart_trio import QuartTrio

from ..breaker.registry import Breakers
from ..config import Config
from ..lifecycle import Lifecycle
from ..telemetry.telemetry import Telemetry
from . import errors
from .api import admin, batch, event_stream, extract, health, metrics, openapi, prometheus, quarantine
from .http.authentication import Keys
from .http.fast_path import FastPath
from .http.instrumentation import Instrumentation
from .http.limits import RateLimits
from .http.middleware import Middleware
from .pages import dashboard, docs
from .services import Dispatcher, Pool, Services

BODY_TIMEOUT = 15  # seconds for a request's body to arrive
RESPONSE_TIMEOUT = 60  # seconds for a response to be taken; a stream of events sets its own


def create_app(
    config: Config,
    dispatcher: Dispatcher,
    pool: Pool,
    breakers: Breakers,
    lifecycle: Lifecycle,
    telemetry: Telemetry | None = None,
) -> QuartTrio:
    """The application that answers for these rooms. It has no hooks: each costs every request time."""
    app = QuartTrio(__package__, static_folder=None, template_folder="pages/templates")
    app.config.update(
        MAX_CONTENT_LENGTH=extract.MAX_BODY,
        BODY_TIMEOUT=BODY_TIMEOUT,
        RESPONSE_TIMEOUT=RESPONSE_TIMEOUT,
    )
    openapi.install(app)
    errors.install(app)
    telemetry = telemetry or Telemetry()
    services = Services(
        config, dispatcher, pool, breakers, lifecycle, Keys(config), RateLimits(config), telemetry
    )
    for subject in (
        health,
        extract,
        batch,
        metrics,
        admin,
        quarantine,
        docs,
        event_stream,
        prometheus,
        dashboard,
    ):
        app.register_blueprint(subject.blueprint(services))
    edge = Middleware(app.asgi_app, FastPath(services), config, lifecycle)
    routes = {rule.rule for rule in app.url_map.iter_rules()}
    app.asgi_app = Instrumentation(edge, telemetry, routes)  # type: ignore[method-assign]
    return app
