"""The files of the API page: Swagger UI from its package, and the few lines that start it."""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from quart import Blueprint, Response, request
from quart_schema import hide

_HERE = Path(__file__).parent / "templates"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
FILES = ("docs.css", "docs.js", "swagger-ui.css", "swagger-ui-bundle.js")
FOLDER = "/api/v1/docs"

# Swagger UI needs style attributes and icons in data URLs; scripts are files of this origin only.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_files(routes: Blueprint) -> None:
    """Serve the files in FOLDER."""
    for name in FILES:
        endpoint = name.replace(".", "_").replace("-", "_")
        routes.add_url_rule(f"{FOLDER}/{name}", endpoint, view_func=_view(name))


def _view(name: str) -> Callable[[], Any]:
    async def view() -> Response:
        packed = request.accept_encodings.quality("gzip") > 0
        headers = {"Vary": "Accept-Encoding", "Cache-Control": "max-age=3600"}
        if packed:
            headers["Content-Encoding"] = "gzip"
        return Response(_bytes(name, packed=packed), headers=headers, content_type=_TYPES[Path(name).suffix])

    return hide(view)


@cache
def _bytes(name: str, *, packed: bool) -> bytes:
    if packed:
        return gzip.compress(_bytes(name, packed=False), mtime=0)
    own = _HERE / name
    return (own if own.is_file() else _package() / name).read_bytes()


@cache
def _package() -> Path:
    """The directory of Swagger UI's files, found without importing their package, which imports Flask."""
    spec = importlib.util.find_spec("flask_swagger_ui")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "dist"
