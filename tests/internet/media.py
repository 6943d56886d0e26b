"""Honest sites for the generic extractor. The path decides; any host plays any of them. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from .message import Reply, Request, page, redirect

MP4_SIZE = 1_234_567
_MP4 = (b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41" + b"\x00\x00\x00\x08free").ljust(
    MP4_SIZE, b"\0"
)
_MP3_SIZE = 345_678
_MP3 = b"ID3\x04".ljust(_MP3_SIZE, b"\0")

# (height, bits per second, codec)
VARIANTS = (
    (144, 150_000, "avc1.42c00b"),
    (240, 320_000, "avc1.4d4015"),
    (360, 730_000, "avc1.4d401e"),
    (720, 2_400_000, "avc1.4d401f"),
    (1080, 4_800_000, "avc1.640028"),
)
DURATION = 120

_SEGMENTS = "".join(f"#EXTINF:6.0,\nsegment-{index}.ts\n" for index in range(DURATION // 6))
_VARIANT = f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n{_SEGMENTS}#EXT-X-ENDLIST\n".encode()

_LIVE_VARIANT = _VARIANT.removesuffix(b"#EXT-X-ENDLIST\n")
_LIVE = b"""#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="en",DEFAULT=YES,URI="live-audio.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,CODECS="avc1.4d401e,mp4a.40.2"
live-360.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=4000000,RESOLUTION=1920x1080,CODECS="avc1.640028",AUDIO="a"
live-1080.m3u8
"""


def master(base: str = "") -> bytes:
    """An HLS master whose variants, audio and subtitles are under `base`, a URL prefix or nothing."""
    lines = [
        "#EXTM3U",
        f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="English",LANGUAGE="en",DEFAULT=YES,URI="{base}audio.m3u8"',
        f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="English",LANGUAGE="en",URI="{base}text.m3u8"',
    ]
    for height, rate, codec in VARIANTS:
        lines.append(
            f"#EXT-X-STREAM-INF:BANDWIDTH={rate},RESOLUTION={height * 16 // 9}x{height},FRAME-RATE=30,"
            f'CODECS="{codec},mp4a.40.2",AUDIO="audio",SUBTITLES="text"'
        )
        lines.append(f"{base}v{height}.m3u8")
    return ("\n".join(lines) + "\n").encode()


def mpd(base: str = "") -> bytes:
    """A DASH manifest whose media are under `base`."""
    video = "".join(
        f'<Representation id="v{height}" bandwidth="{rate}" width="{height * 16 // 9}" height="{height}" '
        f'codecs="{codec}" frameRate="30"/>'
        for height, rate, codec in VARIANTS
    )
    template = (
        f'<SegmentTemplate timescale="1" duration="6" startNumber="1" '
        f'initialization="{base}$RepresentationID$-init.mp4" media="{base}$RepresentationID$-$Number$.m4s"/>'
    )
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        f'mediaPresentationDuration="PT{DURATION}S" profiles="urn:mpeg:dash:profile:isoff-live:2011"><Period>'
        f'<AdaptationSet mimeType="video/mp4">{template}{video}</AdaptationSet>'
        f'<AdaptationSet mimeType="audio/mp4" lang="en">{template}'
        '<Representation id="a" bandwidth="128000" codecs="mp4a.40.2" audioSamplingRate="44100"/>'
        "</AdaptationSet></Period></MPD>"
    ).encode()


def feed(base: str) -> bytes:
    """An RSS feed of five enclosures under `base`."""
    items = "".join(
        f"<item><title>Episode {number}</title><link>{base}episode-{number}</link>"
        f"<guid>{base}episode-{number}</guid><description>About {number}</description>"
        f"<pubDate>Mon, 0{number} Jun 2026 10:00:00 GMT</pubDate>"
        f'<enclosure url="{base}episode-{number}.mp3" length="{_MP3_SIZE}" type="audio/mpeg"/></item>'
        for number in range(1, 6)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>The five episodes</title>'
        f"<link>{base}</link><description>A feed</description>{items}</channel></rss>"
    ).encode()


def html5(title: str = "A page with a video", source: str = "/video.mp4") -> Reply:
    """A page with an html5 video, Open Graph data and a good deal of text around it."""
    text = "".join(f"<p>Paragraph {number}: {'words ' * 60}</p>\n" for number in range(60))
    head = (
        '<meta property="og:title" content="A page with a video">'
        '<meta property="og:type" content="video.other"><meta property="og:image" content="/poster.jpg">'
        '<meta name="description" content="It has a video.">'
    )
    return page(
        title,
        f'<video controls poster="/poster.jpg" width="1280" height="720">'
        f'<source src="{source}" type="video/mp4">'
        '<source src="/video-480.mp4" type="video/mp4" label="480p"></video>' + text,
        head=head,
    )


def _json_ld(request: Request) -> Reply:
    return page(
        "A page with JSON-LD",
        "<p>Nothing but structured data.</p>",
        head='<script type="application/ld+json">{"@context":"https://schema.org","@type":"VideoObject",'
        f'"name":"A described video","description":"By its own account","duration":"PT2M",'
        f'"width":1280,"height":720,"uploadDate":"2026-06-01","contentUrl":"{_base(request)}video.mp4"}}</script>',
    )


def _big(variants: int, length: int) -> Reply:
    """A manifest with so many variants, whose URLs are so long."""
    lines = "".join(
        f"#EXT-X-STREAM-INF:BANDWIDTH={800_000 + number},RESOLUTION=640x360\n{number}/{'v' * length}.m3u8\n"
        for number in range(variants)
    )
    return Reply(f"#EXTM3U\n{lines}".encode(), "application/vnd.apple.mpegurl", kind="manifest")


def _variant(request: Request) -> Reply:
    if request.path.startswith("/big-"):
        return _big(*_BIG)
    if request.path.startswith("/huge-"):
        return _big(*_HUGE)
    body = _LIVE_VARIANT if request.path.startswith("/live-") else _VARIANT
    return Reply(body, "application/vnd.apple.mpegurl", kind="manifest")


def _cookies(request: Request) -> Reply:
    """Sets a cookie, and shows in its title those it was sent: a leak between requests becomes visible."""
    sent = request.headers.get("cookie", "none")
    reply = page(f"cookies: {html.escape(sent)}", '<video src="/video.mp4"></video>')
    return Reply(reply.body, headers=(("Set-Cookie", "visitor=returning; Path=/; Max-Age=3600"),))


def _ranged(request: Request, body: bytes, content_type: str) -> Reply:
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    headers: tuple[tuple[str, str], ...] = (("Accept-Ranges", "bytes"), ("ETag", '"one"'))
    if wanted is None:
        return Reply(body, content_type, headers=headers, kind="media")
    start, end = int(wanted[1]), min(int(wanted[2] or len(body)), len(body) - 1)
    if start >= len(body):
        return Reply(b"", content_type, 416, (("Content-Range", f"bytes */{len(body)}"),), kind="media")
    headers += (("Content-Range", f"bytes {start}-{end}/{len(body)}"),)
    return Reply(body[start : end + 1], content_type, 206, headers, kind="media")


def _base(request: Request) -> str:
    return f"{request.scheme}://{request.host}/"


_BIG = 1200, 200  # the result takes about a megabyte
_HUGE = 450, 20_000  # about nine
_HTML5 = html5()
_EMPTY = page("A page about nothing", "<p>No video here, and no link to one.</p>")
_HLS = Reply(master(), "application/vnd.apple.mpegurl", kind="manifest")
_DASH = Reply(mpd(), "application/dash+xml", kind="manifest")
_ROBOTS = Reply(b"User-agent: *\n", "text/plain")

# By name, then by the ending of the path; everything else is a page with an html5 video.
_PAGES: dict[str, Callable[[Request], Reply]] = {
    "/empty": lambda _: _EMPTY,
    "/text": lambda _: Reply(b"Just text, not a page.\n", "text/plain"),
    "/json-ld": _json_ld,
    "/cookies": _cookies,
    "/redirect": lambda _: redirect("/video.mp4"),
    "/refresh": lambda _: page("Wait", "", head='<meta http-equiv="refresh" content="0; url=/html5">'),
    "/robots.txt": lambda _: _ROBOTS,
    "/master.m3u8": lambda _: _HLS,
    "/live.m3u8": lambda _: Reply(_LIVE, "application/vnd.apple.mpegurl", kind="manifest"),
}
_ENDINGS: dict[str, Callable[[Request], Reply]] = {
    "mp4": lambda request: _ranged(request, _MP4, "video/mp4"),
    "mp3": lambda request: _ranged(request, _MP3, "audio/mpeg"),
    "m3u8": _variant,
    "mpd": lambda _: _DASH,
    "xml": lambda request: Reply(feed(_base(request)), "application/rss+xml", kind="feed"),
    "jpg": lambda _: Reply(b"\xff\xd8\xff\xd9", "image/jpeg", kind="thumbnail"),
    "webp": lambda _: Reply(b"RIFF\x04\0\0\0WEBP", "image/webp", kind="thumbnail"),
}


def play(request: Request) -> Reply:
    """The reply of an honest site."""
    named = _PAGES.get(request.path) or _ENDINGS.get(request.path.rpartition(".")[2])
    return named(request) if named else _HTML5
