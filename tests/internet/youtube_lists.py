"""A YouTube channel's videos: three pages of thirty, the later ones by continuation. Pure.

Any handle is a channel. That of `fails-404` has a first page; asked for the second, it fails in the way 404.
"""

from __future__ import annotations

import re
from typing import Any

from . import failures
from .message import Reply, Request
from .settings import Settings
from .youtube_data import VISITOR, thumbnails
from .youtube_pages import channel_endpoint, compact, list_page, menu

PAGES, PER_PAGE = 3, 30
_CHANNEL = re.compile(r"/@([\w.-]+)(?:/videos)?")
_FAILING = re.compile(r"fails-([a-z0-9-]+)")


def play(request: Request, settings: Settings, port: int) -> Reply | None:
    """The reply to a request for a channel or its continuation; None when it is for something else."""
    if channel := _CHANNEL.fullmatch(request.path):
        page = list_page(f"{channel[1]} - YouTube", _first_page(channel[1]), settings.watch_bytes)
        return Reply(page.encode(), kind="channel")
    if request.path != "/youtubei/v1/browse":
        return None
    handle, _, number = str(request.json.get("continuation", "")).partition("/")
    if failing := _FAILING.fullmatch(handle):
        return failures.play(request, failing[1], port)
    action = {"appendContinuationItemsAction": {"continuationItems": _items(handle, int(number or 0))}}
    answer = {"responseContext": {"visitorData": VISITOR}, "onResponseReceivedActions": [action]}
    return Reply(compact(answer).encode(), "application/json", kind="browse")


def _first_page(handle: str) -> dict[str, Any]:
    url = f"/@{handle}"
    tabs: list[dict[str, Any]] = [
        {"title": title, "endpoint": {"commandMetadata": {"webCommandMetadata": {"url": f"{url}/{name}"}}}}
        for title, name in (("Home", "featured"), ("Videos", "videos"), ("Playlists", "playlists"))
    ]
    tabs[1] |= {"selected": True, "content": {"richGridRenderer": {"contents": _items(handle, 0)}}}
    metadata = {
        "title": handle,
        "description": "A channel of normal videos.",
        "externalId": _channel_id(handle),
        "channelUrl": f"https://www.youtube.com/channel/{_channel_id(handle)}",
        "vanityChannelUrl": f"http://www.youtube.com{url}",
        "avatar": {"thumbnails": thumbnails("channel____")[:1]},
    }
    return {
        "responseContext": {"visitorData": VISITOR},
        "contents": {"twoColumnBrowseResultsRenderer": {"tabs": [{"tabRenderer": tab} for tab in tabs]}},
        "metadata": {"channelMetadataRenderer": metadata},
    }


def _items(handle: str, page: int) -> list[dict[str, Any]]:
    """The entries of one page, and what asks for the next."""
    numbers = range(page * PER_PAGE, (page + 1) * PER_PAGE)
    items = [{"richItemRenderer": {"content": {"videoRenderer": _entry(handle, n)}}} for n in numbers]
    if page + 1 < PAGES:
        command = {"token": f"{handle}/{page + 1}", "request": "CONTINUATION_REQUEST_TYPE_BROWSE"}
        items.append({"continuationItemRenderer": {"continuationEndpoint": {"continuationCommand": command}}})
    return items


def _entry(handle: str, number: int) -> dict[str, Any]:
    """One video of a channel: about 8 KB."""
    video = f"video{number:06}"
    byline = {"text": handle, "navigationEndpoint": channel_endpoint(f"/@{handle}", _channel_id(handle))}
    return {
        "videoId": video,
        "title": {"runs": [{"text": f"Video {number} of {handle}"}]},
        "thumbnail": {"thumbnails": thumbnails(video)},
        "lengthText": {"simpleText": "3:33"},
        "viewCountText": {"simpleText": f"{number + 1},234 views"},
        "publishedTimeText": {"simpleText": "2 years ago"},
        "shortBylineText": {"runs": [byline]},
        "menu": menu(7),
    }


def _channel_id(handle: str) -> str:
    return f"UC{re.sub(r'[^A-Za-z0-9]', '', handle):_<22.22}"
