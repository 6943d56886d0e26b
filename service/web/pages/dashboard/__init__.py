"""GET /dashboard: the files of the page, and a stream of snapshots.

The page loads nothing from elsewhere and needs no build step. A snapshot shows the statistics of the service
and its history; pids, memory and events are for admins only, sites for those who may know them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from functools import cache
from pathlib import Path
from typing import Any

import trio
from quart import Blueprint, Response, request
from quart_schema import hide
from werkzeug.datastructures import Headers

from ....codes import Code
from ....telemetry.event_log import TooManySubscribers
from ...api.event_stream import LAST, too_many
from ...api.streaming import EVENTS, event, stream
from ...errors import Refused
from ...http.access_control import admit_reader
from ...http.authentication import HEADER, Keys
from ...http.limits import client_of
from ...http.request_context import current
from ...http.responses import respond_with
from ...services import Services
from .snapshot import Snapshots, View

INTERVAL = 1.0  # seconds between snapshots when nothing happens
PAUSE = 0.2  # seconds between snapshots at least

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "require-trusted-types-for 'script'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SCRIPTS = ("dashboard", "admin", "charts", "key", "reports", "stream", "tables", "text")
_FILES = {
    "/dashboard": ("index.html", "text/html; charset=utf-8"),
    "/dashboard/dashboard.css": ("dashboard.css", "text/css; charset=utf-8"),
    **{f"/dashboard/{name}.js": (f"{name}.js", "text/javascript; charset=utf-8") for name in _SCRIPTS},
}


def blueprint(services: Services) -> Blueprint:
    routes = Blueprint("dashboard", __name__)
    snapshots = Snapshots(services)

    for path, (name, content_type) in _FILES.items():
        routes.add_url_rule(path, name.replace(".", "_"), view_func=_file(name, content_type))

    @routes.get("/api/v1/dashboard/stream")
    @hide
    async def follow() -> Response:
        """Snapshots as server-sent events, until the service has drained."""
        presented = request.headers.get(HEADER)
        known = admit_reader(services, current(), presented)
        if known is None and presented:  # also where no key is needed: who sends one wants to know
            raise Refused(Code.UNAUTHORIZED, f"The key in {HEADER} is not known")
        services.keys.admit(known, presented)
        view = View(
            admin=_is_admin(services.keys, request.headers),
            sites=services.keys.sees_sites(request.headers, presented),
        )
        client = client_of(known, current().client)
        services.viewers.check(client, admin=view.admin)
        if services.telemetry.event_log.full:
            raise too_many()
        return stream(_follow(services, snapshots, client, view), EVENTS)

    return routes


def _file(name: str, content_type: str) -> Callable[[], Any]:
    async def view() -> Response:
        response = await respond_with(_read(name), content_type=content_type)
        response.headers["Content-Security-Policy"] = _POLICY
        return response

    return hide(view)


@cache
def _read(name: str) -> bytes:
    return (Path(__file__).parent / name).read_bytes()


def _is_admin(keys: Keys, headers: Headers) -> bool:
    try:
        keys.require_admin(headers)
    except Refused:
        return False
    return True


@trio.as_safe_channel
async def _follow(
    services: Services, snapshots: Snapshots, client: str, view: View
) -> AsyncGenerator[bytes, None]:
    try:
        with (
            services.viewers.take(client, admin=view.admin),
            services.telemetry.event_log.subscribe() as subscription,
        ):
            over = False
            while not over:
                yield event("snapshot", snapshots.current(view))
                await trio.sleep(PAUSE)
                record = await subscription.next(INTERVAL - PAUSE)
                while record is not None:
                    over = over or record.event == LAST
                    record = subscription.take()
                over = over or services.lifecycle.closing.is_set()
    except (TooManySubscribers, Refused):
        return  # the last place was taken since the check
