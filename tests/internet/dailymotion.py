"""Dailymotion as yt-dlp asks for it: an anonymous token, the API that wants it, the metadata. Pure.

The site takes only the token that the settings name; with another one its API answers 401.
Any id is a video, but those of `_ERRORS` and `_MISSING`, which answer 200 with an error in JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any

from .message import Reply, Request
from .settings import Settings

_HOSTS = frozenset({"www.dailymotion.com", "graphql.api.dailymotion.com"})
_XID = re.compile(r'xid: "(\w+)"')
_METADATA = "/player/metadata/video/"
_MISSING = "xmissing"
_ERRORS = {
    "xgeoblock": {"code": "DM007", "title": "This content is not available in your country."},
    "xprivate": {"code": "DM010", "title": "This video is private."},
    "xbroken": {"code": "DM014", "title": "Something went wrong on our side."},
}


def is_host(host: str) -> bool:
    return host in _HOSTS


def play(request: Request, settings: Settings) -> Reply:
    """The reply of Dailymotion."""
    if request.host == "graphql.api.dailymotion.com":
        if request.path == "/oauth/token":
            answer = {"access_token": settings.token, "expires_in": 36_000, "token_type": "Bearer"}
            return _json(answer, kind="token")
        if request.headers.get("authorization") != f"Bearer {settings.token}":
            return _json({"error": "invalid_token"}, status=401, kind="unauthorized")
        return _json(_media(request), kind="graphql")
    if request.path.startswith(_METADATA):
        return _json(_metadata(request.path.removeprefix(_METADATA)), kind="metadata")
    return Reply(b"<title>404 Not Found</title>", status=404, kind="unknown")


def _media(request: Request) -> dict[str, Any]:
    asked = _XID.search(str(request.json.get("query", "")))
    xid = asked[1] if asked else None
    if xid == _MISSING:
        return {"data": {"media": None}, "errors": [{"message": "Media not found"}]}
    stats = {"likes": {"total": 12}, "views": {"total": 3456}}
    video = {"__typename": "Video", "xid": xid, "description": "As it is.", "stats": stats}
    return {"data": {"media": video}}


def _metadata(xid: str) -> dict[str, Any]:
    if xid in _ERRORS:
        return {"id": xid, "error": _ERRORS[xid]}
    return {
        "id": xid,
        "title": "A video with a token",
        "duration": 187,
        "created_time": 1_493_651_285,
        "owner": {"id": "x1xm8ri", "screenname": "A Normal Channel"},
        "qualities": {
            name: [{"type": "video/mp4", "url": f"https://cdn.example/{xid}/H264-{size}/m.mp4"}]
            for name, size in (("480", "848x480"), ("720", "1280x720"))
        },
    }


def _json(value: object, *, kind: str, status: int = 200) -> Reply:
    return Reply(json.dumps(value).encode(), "application/json", status, kind=kind)
