"""A PeerTube instance with playlists of forty videos, two pages. Pure.

Of the playlist `fails-404` the second page fails in the way 404.
"""

from __future__ import annotations

import json
import re

from . import failures
from .message import Reply, Request

PER_PAGE, ENTRIES = 30, 40
_PLAYLIST = re.compile(r"/api/v1/video-playlists/(?P<id>[\w-]+)(?P<videos>/videos)?")


def is_host(host: str) -> bool:
    return host == "framatube.org"


def play(request: Request, port: int) -> Reply:
    """The reply of the instance."""
    asked = _PLAYLIST.fullmatch(request.path)
    if asked is None:
        return Reply(b'{"error": "Not found"}', "application/json", 404, kind="unknown")
    if not asked["videos"]:
        answer: dict[str, object] = {"displayName": f"The playlist {asked['id']}", "videosLength": ENTRIES}
        return Reply(json.dumps(answer).encode(), "application/json", kind="playlist")
    start = int(request.parameter("start", "0"))
    if start and asked["id"].startswith("fails-"):
        return failures.play(request, asked["id"].removeprefix("fails-"), port)
    numbers = range(start, min(start + PER_PAGE, ENTRIES))
    videos = [{"video": {"shortUUID": f"short{n:04}", "name": f"Video {n}"}} for n in numbers]
    return Reply(json.dumps({"total": ENTRIES, "data": videos}).encode(), "application/json", kind="entries")
