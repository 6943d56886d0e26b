"""YouTube's pages around a video's data, of realistic shape and size. Pure.

What fills them is what fills the real ones: recommendations with menus, tracking parameters and feedback tokens in
the JSON, scripts and switches of experiments in the HTML.
"""

# ruff: noqa: E501 - rows of data are easier to read whole

from __future__ import annotations

import json
from functools import cache
from typing import Any

from .youtube_data import CHANNEL, PLACEHOLDER, PLAYER_ID, STS, TITLE, VISITOR, thumbnails

_TRACKING = "CNQBENwwGAEiEwj1oJqz" * 4


def compact(value: object) -> str:
    """JSON as the site writes it."""
    return json.dumps(value, separators=(",", ":"))


def initial_data(size: int) -> str:
    """ytInitialData: the parts that yt-dlp reads, and a column of recommendations that fills it up to `size`."""
    owner = {
        "title": {"runs": [{"text": "A Normal Channel", "navigationEndpoint": channel_endpoint()}]},
        "navigationEndpoint": channel_endpoint(),
        "subscriberCountText": {"simpleText": "4.32M subscribers"},
        "badges": [{"metadataBadgeRenderer": {"style": "BADGE_STYLE_TYPE_VERIFIED", "tooltip": "Verified"}}],
    }
    primary = {
        "title": {"runs": [{"text": TITLE}]},
        "viewCount": {"videoViewCountRenderer": {"viewCount": {"simpleText": "1,634,567,890 views"}}},
        "dateText": {"simpleText": "Oct 25, 2009"},
    }
    markers = [
        {"startMillis": str(i * 2120), "durationMillis": "2120", "intensityScoreNormalized": 1 / (1 + i % 7)}
        for i in range(100)
    ]
    heatmap = {
        "payload": {
            "macroMarkersListEntity": {
                "markersList": {"markerType": "MARKER_TYPE_HEATMAP", "markers": markers}
            }
        }
    }
    recommendations: list[dict[str, Any]] = []
    data = {
        "responseContext": {"visitorData": VISITOR},
        "contents": {
            "twoColumnWatchNextResults": {
                "results": {
                    "results": {
                        "contents": [
                            {"videoPrimaryInfoRenderer": primary},
                            {"videoSecondaryInfoRenderer": {"owner": {"videoOwnerRenderer": owner}}},
                        ]
                    }
                },
                "secondaryResults": {"secondaryResults": {"results": recommendations}},
            }
        },
        "currentVideoEndpoint": {"watchEndpoint": {"videoId": PLACEHOLDER}},
        "frameworkUpdates": {"entityBatchUpdate": {"mutations": [heatmap]}},
    }
    missing = (size - len(compact(data))) // len(compact(_recommendation(0)))
    recommendations += map(_recommendation, range(missing))
    return compact(data)


def watch_page(response: dict[str, Any], data_size: int, size: int) -> str:
    """The watch page, with ytcfg, ytInitialPlayerResponse and ytInitialData; scripts fill it up to `size`."""
    head = (
        f'<meta property="og:title" content="{TITLE}"><meta itemprop="datePublished" content="2009-10-24">'
        f'<meta property="og:image" content="https://i.ytimg.com/vi/{PLACEHOLDER}/maxresdefault.jpg">'
        f'<link rel="canonical" href="https://www.youtube.com/watch?v={PLACEHOLDER}">'
    )
    variables = (
        f'var ytInitialPlayerResponse = {compact(response)};var meta = document.createElement("meta");'
    )
    return _page(
        f"{TITLE} - YouTube", head, [variables, f"var ytInitialData = {initial_data(data_size)};"], size
    )


def list_page(title: str, data: dict[str, Any], size: int) -> str:
    """The page of a channel or a playlist."""
    return _page(title, "", [f"var ytInitialData = {compact(data)};"], size)


def embed_page() -> str:
    return f"<!DOCTYPE html><title>embedded</title><script>ytcfg.set({_configuration()});</script>"


def _page(title: str, head: str, scripts: list[str], size: int) -> str:
    own = [f"ytcfg.set({_configuration()});", *scripts]
    filler = _script(max(0, size - sum(map(len, own))) // 2)
    tags = "".join(f'<script nonce="x">{script}</script>' for script in own)
    return (
        f'<!DOCTYPE html><html lang="en"><head><script nonce="x">{filler}</script><title>{title}</title>'
        f'{head}</head><body dir="ltr">{tags}<script nonce="x">{filler}</script></body></html>'
    )


@cache
def _script(size: int) -> str:
    lines = (
        f'window.ytplayer_{n}=function(a,b){{var c=a||{{}};c["key{n}"]=b.map(function(d){{return d+{n}}});return c}};\n'
        for n in range(size // 80)
    )
    return "".join(lines)[:size].rpartition("\n")[0]


def _configuration() -> str:
    flags = {f"web_enable_experiment_number_{index}_of_the_site": index % 3 == 0 for index in range(1500)}
    configuration = {
        "CLIENT_CANARY_STATE": "none",
        "EXPERIMENT_FLAGS": flags,
        "INNERTUBE_API_KEY": "AIzaSyAO_FJ2SlqU8Q4STEHLGCilw_Y9_11qcW8",
        "INNERTUBE_API_VERSION": "v1",
        "INNERTUBE_CLIENT_NAME": "WEB",
        "INNERTUBE_CLIENT_VERSION": "2.20260708.00.00",
        "INNERTUBE_CONTEXT": {
            "client": {
                "hl": "en", "gl": "DE", "remoteHost": "203.0.113.7", "visitorData": VISITOR, "clientName": "WEB",
                "clientVersion": "2.20260708.00.00", "osName": "Windows", "platform": "DESKTOP",
            },
            "user": {"lockedSafetyMode": False},
        },
        "INNERTUBE_CONTEXT_CLIENT_NAME": 1,
        "INNERTUBE_CONTEXT_CLIENT_VERSION": "2.20260708.00.00",
        "LOGGED_IN": False,
        "PLAYER_JS_URL": f"/s/player/{PLAYER_ID}/player_ias.vflset/en_US/base.js",
        "STS": STS,
        "VISITOR_DATA": VISITOR,
    }  # fmt: skip
    return compact(configuration)


def channel_endpoint(handle: str = "/@normalchannel", channel: str = CHANNEL) -> dict[str, Any]:
    return {
        "commandMetadata": {"webCommandMetadata": {"url": handle, "webPageType": "WEB_PAGE_TYPE_CHANNEL"}},
        "browseEndpoint": {"browseId": channel, "canonicalBaseUrl": handle},
    }


def menu(actions: int) -> dict[str, Any]:
    """What is behind the three dots of a video: about 1 KB for each action."""
    items = [
        {
            "menuServiceItemRenderer": {
                "text": {"runs": [{"text": f"Action {action}"}]},
                "icon": {"iconType": "ADD_TO_QUEUE_TAIL"},
                "trackingParams": _TRACKING,
                "serviceEndpoint": {
                    "clickTrackingParams": _TRACKING,
                    "commandMetadata": {
                        "webCommandMetadata": {"sendPost": True, "apiUrl": "/youtubei/v1/feedback"}
                    },
                    "feedbackEndpoint": {
                        "feedbackToken": "AB9zfpJ" * 60,
                        "uiActions": {"hideEnclosingContainer": True},
                    },
                },
            }
        }
        for action in range(actions)
    ]
    return {"menuRenderer": {"items": items, "trackingParams": _TRACKING}}


def _recommendation(number: int) -> dict[str, Any]:
    """One recommended video: about 20 KB."""
    video = f"recommend{number:02}"
    byline = {"text": "Another channel", "navigationEndpoint": channel_endpoint()}
    return {
        "compactVideoRenderer": {
            "videoId": video,
            "title": {"simpleText": f"Another video, number {number}"},
            "thumbnail": {"thumbnails": thumbnails(video)},
            "lengthText": {"simpleText": "3:33"},
            "longBylineText": {"runs": [byline]},
            "menu": menu(22),
        }
    }
