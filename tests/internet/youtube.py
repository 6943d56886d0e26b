"""YouTube as yt-dlp asks for it: watch page, innertube player and next, embed page, player script. Pure.

Any 11-character video id plays a normal video; the ids of `SCENES` (a name, padded with underscores) do not.
Pages are rendered once, with placeholders for the video's id and the player's.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from . import failures, media, youtube_data, youtube_lists, youtube_pages
from .challenge import Player
from .message import Reply, Request
from .settings import Settings

_HOSTS = re.compile(r"(?:.+\.)?(?:youtube\.com|youtu\.be|youtube-nocookie\.com|youtubei\.googleapis\.com)")
_EMBED = re.compile(r"/(?:embed|shorts|live|v)/([\w-]{11})")
_PLACEHOLDERS = re.compile(f"({youtube_data.PLACEHOLDER}|{youtube_data.PLAYER_ID})".encode())


@dataclass(frozen=True, slots=True)
class Scene:
    """What one video is like.

    Attributes:
        playability: the player's playabilityStatus when it is not OK.
        how: the failure of any site that answers instead.
        streams: which formats: normal (plain or challenge, as is set), plain, challenge (n and signature),
            mixed (all but one need that), sabr (none has a URL), drm, live, nolength (no contentLength),
            low (up to 480p) or none.
    """

    playability: Mapping[str, Any] | None = None
    how: str | None = None
    streams: str = "normal"
    details: Mapping[str, Any] = field(default_factory=dict)


def _refusal(status: str, reason: str, subreason: str = "", **more: Any) -> Scene:
    screen: dict[str, Any] = {"reason": {"simpleText": reason}}
    if subreason:
        screen["subreason"] = {"simpleText": subreason}
    return Scene(
        {"status": status, "reason": reason, "errorScreen": {"playerErrorMessageRenderer": screen}, **more},
        streams="none",
    )


NORMAL = Scene()

SCENES: dict[str, Scene] = {
    "private": _refusal(
        "LOGIN_REQUIRED", "Private video", "Sign in if you've been granted access to this video"
    ),
    "removed": _refusal("ERROR", "Video unavailable", "This video has been removed by the uploader"),
    "terminated": _refusal(
        "ERROR",
        "Video unavailable",
        "This video is no longer available because the account associated with it has been terminated.",
    ),
    "copyright": _refusal(
        "UNPLAYABLE",
        "Video unavailable",
        "This video contains content from Big Label, who has blocked it on copyright grounds",
    ),
    "missing": _refusal("ERROR", "Video unavailable", "This video is not available"),
    "agegate": _refusal(
        "LOGIN_REQUIRED",
        "Sign in to confirm your age",
        "This video may be inappropriate for some users.",
        desktopLegacyAgeGateReason=1,
    ),
    "geoblock": _refusal(
        "UNPLAYABLE", "Video unavailable", "The uploader has not made this video available in your country"
    ),
    "botcheck": _refusal(
        "LOGIN_REQUIRED",
        "Sign in to confirm you\u2019re not a bot",
        "This helps protect our community. Learn more",
    ),
    "ratelimit": _refusal("ERROR", "Video unavailable", "This content isn't available, try again later."),
    "captcha": Scene(
        {
            "status": "ERROR",
            "reason": "Something went wrong",
            "errorScreen": {"playerCaptchaViewModel": {"x": {}}},
        },
        streams="none",
    ),
    "members": _refusal(
        "UNPLAYABLE",
        "Join this channel to get access to members-only content like this video, and other perks.",
    ),
    "paid": _refusal("UNPLAYABLE", "This video requires payment to watch."),
    "upcoming": Scene(
        {"status": "LIVE_STREAM_OFFLINE", "reason": "Premieres in 3 hours"},
        streams="none",
        details={"isUpcoming": True, "isLiveContent": True},
    ),
    "live": Scene(streams="live", details={"isLive": True, "isLiveContent": True, "lengthSeconds": "0"}),
    "drm": Scene(streams="drm"),
    "sabr": Scene(streams="sabr"),
    "nolength": Scene(streams="nolength"),
    "low": Scene(streams="low"),
    "plain": Scene(streams="plain"),
    "challenge": Scene(streams="challenge"),
    "mixed": Scene(streams="mixed"),
    "mismatch": Scene(details={"videoId": "someoneelse"}),
    "http403": Scene(how="403"),
    "http404": Scene(how="404"),
    "http429": Scene(how="429"),
    "http429a": Scene(how="429-after"),
    "http500": Scene(how="500"),
    "http503": Scene(how="503"),
    "hangs": Scene(how="hang"),
    "drips": Scene(how="drip"),
    "resets": Scene(how="reset"),
    "truncates": Scene(how="truncated"),
    "garbles": Scene(how="garbage"),
}
_BY_ID = {name.ljust(11, "_"): scene for name, scene in SCENES.items()}
_NAMES = {id(scene): name for name, scene in SCENES.items()}


def video_id(name: str) -> str:
    """The id of the scene's video: `private` is `private____`."""
    assert name in SCENES
    return name.ljust(11, "_")


def is_host(host: str) -> bool:
    return _HOSTS.fullmatch(host) is not None


def scene_of(request: Request) -> Scene:
    """What the video that is asked for is like."""
    return _BY_ID.get(_asked(request), NORMAL)


def player_of(video: str, settings: Settings) -> Player:
    """The release of the player that the video's pages name."""
    return Player(settings.release + zlib.crc32(video.encode()) % settings.rotation)


def play(request: Request, scene: Scene, settings: Settings, port: int) -> Reply:
    """The reply of YouTube, for a video like `scene` where a video is asked for."""
    video = _asked(request)
    fill = partial(_fill, video=video, player=player_of(video, settings))
    if request.path in ("/watch", "/"):
        streams = _streams(scene, settings, web=True)
        watch = _watch_page(_key(scene), streams, settings.next_bytes, settings.watch_bytes)
        return Reply(fill(watch), kind="watch")
    if request.path == "/youtubei/v1/player":
        streams = _streams(scene, settings, web=_is_web(request))
        attested = "poToken" in request.json.get("serviceIntegrityDimensions", {})
        kind = "player with token" if attested else "player"
        return Reply(fill(_player(_key(scene), streams)), "application/json", kind=kind)
    if request.path == "/youtubei/v1/next":
        return Reply(fill(_next(settings.next_bytes)), "application/json", kind="next")
    if request.path.startswith("/s/player/") and (player := Player.of(request.path)):
        if settings.player == "missing":
            return failures.play(request, "404", port)
        return Reply(player.script(settings.player), "text/javascript", kind="script")
    if request.path == "/iframe_api":
        return Reply(Player(settings.release).iframe_api(), "text/javascript", kind="script")
    if request.path.startswith("/api/manifest/"):
        return Reply(_live_manifest(), "application/vnd.apple.mpegurl", kind="manifest")
    if request.path.startswith("/api/timedtext"):
        return Reply(_captions(request), "application/json", kind="captions")
    if _EMBED.match(request.path) or request.path == "/tv":
        return Reply(fill(_embed_page()), kind="embed")
    if reply := youtube_lists.play(request, settings, port):
        return reply
    return Reply(b"<title>404 Not Found</title>", status=404, kind="unknown")


def _captions(request: Request) -> bytes:
    """Two cues, which name the language that was asked for."""
    language = request.parameter("tlang") or request.parameter("lang")
    said = (f"Hello in {language}", "and\nwelcome")
    events = [
        {"tStartMs": 1000 + 2500 * index, "dDurationMs": 2000, "segs": [{"utf8": text}]}
        for index, text in enumerate(said)
    ]
    return youtube_pages.compact({"events": [{"tStartMs": 0}, *events]}).encode()


@cache
def _live_manifest() -> bytes:
    itags = {"144": 91, "240": 92, "360": 93, "720": 95, "1080": 96}
    url = "https://manifest.googlevideo.com/videoplayback/itag/{}/index.m3u8"
    return re.sub(
        r"^v(\d+)\.m3u8$", lambda v: url.format(itags[v[1]]), media.master().decode(), flags=re.M
    ).encode()


def _asked(request: Request) -> str:
    embedded = _EMBED.match(request.path)
    if embedded:
        return embedded[1]
    if request.body:
        return str(request.json.get("videoId", ""))
    return request.parameter("v")


def _is_web(request: Request) -> bool:
    return request.headers.get("x-youtube-client-name", "1") in ("1", "56", "67")


def _key(scene: Scene) -> str:
    return _NAMES.get(id(scene), "")


def _streams(scene: Scene, settings: Settings, *, web: bool) -> str:
    """Which formats a client gets. Browsers get none with a URL (SABR), as on the real site; apps do."""
    kind = scene.streams
    if kind == "normal":
        kind = "challenge" if settings.challenge else "plain"
    return "sabr" if web and kind in ("plain", "challenge", "mixed") else kind


def _fill(pieces: list[bytes], *, video: str, player: Player) -> bytes:
    values = {youtube_data.PLACEHOLDER: video, youtube_data.PLAYER_ID: player.id}
    known = {placeholder.encode(): value.encode() for placeholder, value in values.items()}
    return b"".join(known.get(piece, piece) for piece in pieces)


def _pieces(text: str) -> list[bytes]:
    return _PLACEHOLDERS.split(text.encode())


@cache
def _player(name: str, streams: str) -> list[bytes]:
    return _pieces(youtube_pages.compact(_response(name, streams)))


@cache
def _next(size: int) -> list[bytes]:
    return _pieces(youtube_pages.initial_data(size))


@cache
def _watch_page(name: str, streams: str, data_size: int, size: int) -> list[bytes]:
    return _pieces(youtube_pages.watch_page(_response(name, streams), data_size, size))


@cache
def _embed_page() -> list[bytes]:
    return _pieces(youtube_pages.embed_page())


def _response(name: str, streams: str) -> dict[str, Any]:
    """The innertube player response of a scene, with formats of the kind `streams`."""
    scene = SCENES.get(name, NORMAL)
    details = {**youtube_data.video_details(), **scene.details}
    response: dict[str, Any] = {
        "responseContext": {"visitorData": youtube_data.VISITOR},
        "playabilityStatus": scene.playability or {"status": "OK", "playableInEmbed": True},
        "videoDetails": details,
        "microformat": {"playerMicroformatRenderer": youtube_data.microformat()},
    }
    if name == "geoblock":
        response["microformat"]["playerMicroformatRenderer"]["availableCountries"] = ["DE", "FR"]
    if name == "upcoming":
        response["microformat"]["playerMicroformatRenderer"]["liveBroadcastDetails"] = {
            "isLiveNow": False,
            "startTimestamp": "2099-01-01T00:00:00+00:00",
        }
    if name == "live":
        response["microformat"]["playerMicroformatRenderer"]["lengthSeconds"] = "0"
    data = youtube_data.streaming_data(streams)
    if data:
        response["streamingData"] = data
        response["captions"] = youtube_data.captions()
        if scene.streams != "live":
            response["storyboards"] = youtube_data.storyboards()
    return response
