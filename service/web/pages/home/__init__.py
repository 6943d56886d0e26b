"""GET /: who is here, as JSON; for browsers a page to paste a URL into, unless `UI` is off.

The page loads nothing from elsewhere but the pictures of videos, and those only where its visitor has said
so: a site's server learns the address of everybody who loads one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from quart import Blueprint, Response, request
from quart_schema import hide, tag
from quart_schema.documentation import document_response

from .... import __version__
from ...api.models import RootResponse
from ...http.responses import respond_with, respond_with_json
from ...services import Services

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data: https:; "
    "require-trusted-types-for 'script'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FILES = {
    "home.css": "text/css; charset=utf-8",
    "home.js": "text/javascript; charset=utf-8",
    **dict.fromkeys(("advice.js", "picture.js", "stream.js"), "text/javascript; charset=utf-8"),
}


def blueprint(services: Services) -> Blueprint:
    routes = Blueprint("home", __name__)
    has_page = services.config.ui
    if has_page:
        for name, content_type in _FILES.items():
            routes.add_url_rule(f"/home/{name}", name.replace(".", "_"), view_func=_view(name, content_type))

    @routes.get("/")
    @tag(["operation"])
    @document_response(RootResponse)
    async def root() -> Response:
        """Name and version of the service; a page for browsers."""
        accepted = request.accept_mimetypes
        if has_page and accepted.quality("text/html") > accepted.quality("application/json"):
            response = await _file("index.html", "text/html; charset=utf-8")
        else:
            response = await respond_with_json(
                RootResponse(
                    ok=True,
                    service="ytdlpd",
                    version=__version__,
                    status="running",
                    documentation="/api/v1/docs",
                )
            )
        response.headers.add("Vary", "Accept")
        return response

    return routes


def _view(name: str, content_type: str) -> Callable[[], Any]:
    async def view() -> Response:
        return await _file(name, content_type)

    return hide(view)


async def _file(name: str, content_type: str) -> Response:
    response = await respond_with(_read(name), content_type=content_type)
    response.headers["Content-Security-Policy"] = _POLICY
    return response


@cache
def _read(name: str) -> bytes:
    return (Path(__file__).parent / name).read_bytes()
