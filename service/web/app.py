"""The web application: routes, errors and middleware, put together."""

from __future__ import annotations

from quart_trio import QuartTrio

from ..breaker.registry import Breakers
from ..cluster.port import Alone, Cluster
from ..config import Config
from ..events import Events
from ..lifecycle import Lifecycle
from ..releases.release import Rollout
from ..releases.store import ReleaseStore
from ..releases.updater import Updater
from ..telemetry.telemetry import Telemetry
from . import errors
from .api import (
    admin,
    batch,
    bodies,
    direct,
    event_stream,
    extract,
    fleet,
    health,
    metrics,
    openapi,
    prometheus,
    quarantine,
    releases,
    size,
)
from .http.authentication import Keys
from .http.fast_path import FastPath
from .http.instrumentation import Instrumentation
from .http.limits import RateLimits
from .http.middleware import Middleware
from .http.outgoing import Outgoing
from .http.snapshots import SharedSnapshots
from .pages import dashboard, docs, home
from .services import Dispatcher, Pool, Services

BODY_TIMEOUT = 15  # seconds in which the body of a request must arrive


def create_app(
    config: Config,
    dispatcher: Dispatcher,
    pool: Pool,
    breakers: Breakers,
    lifecycle: Lifecycle,
    telemetry: Telemetry | None = None,
    updater: Updater | None = None,
    rollout: Rollout | None = None,
    cluster: Cluster | None = None,
) -> QuartTrio:
    """The application in front of these services. It has no hooks: each would cost every request time."""
    app = QuartTrio(__package__, static_folder=None, template_folder="pages/templates")
    app.url_map.merge_slashes = False  # else they were redirected, past a prefix that a proxy took away
    app.config.update(
        MAX_CONTENT_LENGTH=bodies.MAX_BODY,
        BODY_TIMEOUT=BODY_TIMEOUT,
        RESPONSE_TIMEOUT=None,  # the connection has a deadline for each write
    )
    openapi.install(app)
    errors.install(app)
    telemetry = telemetry or Telemetry()
    updater = updater or Updater(config, ReleaseStore(config.ytdlp_dir), Events())
    limits, cluster = RateLimits(config), cluster or Alone()
    cluster.share_limits(limits)
    services = Services(
        config,
        dispatcher,
        pool,
        breakers,
        lifecycle,
        Keys(config),
        limits,
        telemetry,
        Outgoing(config.ytdlp_max_buffer),
        SharedSnapshots(breakers),
        updater,
        rollout,
        cluster,
    )
    for subject in (
        home,
        health,
        extract,
        size,
        direct,
        batch,
        metrics,
        admin,
        quarantine,
        releases,
        fleet,
        docs,
        event_stream,
        prometheus,
        dashboard,
    ):
        app.register_blueprint(subject.blueprint(services))
    extract.refuse_head(app.url_map)
    middleware = Middleware(app.asgi_app, FastPath(services), services.outgoing, config, lifecycle)
    routes = {rule.rule for rule in app.url_map.iter_rules()}
    app.asgi_app = Instrumentation(middleware, telemetry, routes)  # type: ignore[method-assign]
    return app
