"""The web application: routes, errors and edge, put together."""

from __future__ import annotations

from quart_trio import QuartTrio

from ..breakers import Breakers
from ..config import Config
from ..lifecycle import Lifecycle
from . import admin, batch, docs, errors, extract, health, metrics, openapi, quarantine
from .auth import Keys
from .edge import Edge
from .limits import RateLimits
from .rooms import Dispatcher, Pool, Rooms

BODY_TIMEOUT = 15  # seconds for a request's body to arrive
RESPONSE_TIMEOUT = 60  # seconds for a response to be taken; a stream of events sets its own


def create_app(
    config: Config, dispatcher: Dispatcher, pool: Pool, breakers: Breakers, lifecycle: Lifecycle
) -> QuartTrio:
    """The application that answers for these rooms. It has no hooks: each costs every request time."""
    app = QuartTrio(__package__, static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=extract.MAX_BODY,
        BODY_TIMEOUT=BODY_TIMEOUT,
        RESPONSE_TIMEOUT=RESPONSE_TIMEOUT,
    )
    openapi.install(app)
    errors.install(app)
    rooms = Rooms(config, dispatcher, pool, breakers, lifecycle, Keys(config), RateLimits(config))
    for subject in (health, extract, batch, metrics, admin, quarantine, docs):
        app.register_blueprint(subject.blueprint(rooms))
    app.asgi_app = Edge(app.asgi_app, config, lifecycle)  # type: ignore[method-assign]
    return app
