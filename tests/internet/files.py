"""Files as servers really serve them, and the pages that name them, by path and on any host. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from . import media
from .message import Reply, Request, page, redirect

_SIZE = media.MP4_SIZE
_CHUNKED = (("Transfer-Encoding", "chunked"),)
_REFUSED = replace(page("No", "<p>No.</p>"), kind="media")


def _file(request: Request) -> Reply:
    return media.play(replace(request, path="/video.mp4"))


def _playback(request: Request) -> Reply:
    """What YouTube's media servers say of a format: as long as its address tells."""
    length = request.parameter("clen")
    if request.method != "HEAD" or not length.isdigit():
        return media.play(request)
    return Reply(b"\0", request.parameter("mime", "video/mp4"), kind="media", times=int(length))


def _without_head(status: int) -> Callable[[Request], Reply]:
    """A server that answers HEAD with `status`."""
    return lambda request: replace(_REFUSED, status=status) if request.method == "HEAD" else _file(request)


def _served(content_type: str, *headers: tuple[str, str], body: bytes = b"") -> Callable[[Request], Reply]:
    """A file with these headers: an MP4, or `body`."""
    if body:
        return lambda _: Reply(body, content_type, headers=headers, kind="media")
    return lambda request: replace(_file(request), content_type=content_type, headers=headers)


def _naming(title: str, head: str = "", body: str = "") -> Callable[[Request], Reply]:
    """A page that names a file; {base} in it is the site."""
    return lambda request: page(
        title,
        body.replace("{base}", f"{request.scheme}://{request.host}"),
        head=head.replace("{base}", f"{request.scheme}://{request.host}"),
    )


_LANGUAGES = b"""#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="en",DEFAULT=YES,URI="audio-en.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Deutsch",LANGUAGE="de-DE",URI="audio-de.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,CODECS="avc1.4d401e,mp4a.40.2",AUDIO="a"
v360.m3u8
"""

_MUXED = b"""#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=730000,RESOLUTION=640x360,CODECS="avc1.4d401e,mp4a.40.2"
v360.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2400000,RESOLUTION=1280x720,CODECS="avc1.4d401f,mp4a.40.2"
v720.m3u8
"""

_VTT = b"""WEBVTT

1
00:01.000 --> 00:03.000 align:start
<c>Guten &amp; sch\xc3\xb6nen</c>

00:00:03.500 --> 00:00:05.000
Tag
"""


def _feed(request: Request, count: int) -> bytes:
    items = "".join(
        f"<item><title>Episode {number}</title><link>{request.scheme}://{request.host}/episode-{number}</link></item>"
        for number in range(1, count + 1)
    )
    channel = f"<channel><title>Long</title>{items}</channel>"
    return f'<?xml version="1.0"?><rss version="2.0">{channel}</rss>'.encode()


_PAGES: dict[str, Callable[[Request], Reply]] = {
    "/videoplayback": _playback,
    # Servers that do not take HEAD, that say nothing of a length, that fail, or that lead away.
    "/nohead.mp4": _without_head(405),
    "/headonly403.mp4": _without_head(403),
    "/absurd-range.mp4": lambda request: (
        replace(_REFUSED, status=405)
        if request.method == "HEAD"
        else Reply(b"x", "video/mp4", 206, (("Content-Range", f"bytes 0-0/{'9' * 5000}"),), kind="media")
    ),
    "/unsized.mp4": lambda request: Reply(
        _file(replace(request, method="GET", headers={})).body[:4096],
        "video/mp4",
        headers=_CHUNKED,
        kind="media",
    ),
    "/moved.mp4": lambda _: redirect("/video.mp4"),
    "/gone-file.mp4": lambda _: replace(_REFUSED, status=404),
    "/silent-file.mp4": lambda request: replace(_file(request), delay=30.0),
    "/login-file.mp4": lambda _: _REFUSED,
    "/private-file.mp4": lambda _: redirect("http://10.0.0.1/secret"),
    # Pages that name one.
    "/og-video": _naming(
        "Open Graph",
        '<meta property="og:title" content="Open Graph">'
        '<meta property="og:video" content="{base}/video.mp4">',
    ),
    "/twitter-player": _naming(
        "A card",
        '<meta property="og:title" content="A card">'
        '<meta name="twitter:player:stream" content="{base}/nohead.mp4">',
    ),
    "/jwplayer": _naming(
        "A player",
        body='<div id="p"></div><script>jwplayer("p")'
        '.setup({"sources": [{"file": "{base}/video.mp4"}]});</script>',
    ),
    "/html5-hls": _naming(
        "A stream in a page",
        body='<video><source src="{base}/master.m3u8" type="application/x-mpegURL"></video>',
    ),
    "/muxed.m3u8": lambda _: Reply(_MUXED, "application/vnd.apple.mpegurl", kind="manifest"),
    "/languages.m3u8": lambda _: Reply(_LANGUAGES, "application/vnd.apple.mpegurl", kind="manifest"),
    "/subtitled": _naming(
        "A page with subtitles",
        body='<video src="/video.mp4"><track kind="subtitles" srclang="de" src="/said.vtt"></video>',
    ),
    # Pages that name places inside a private network next to their own.
    "/partly-private": _naming(
        "A page that names two places",
        body='<video><source src="/video.mp4" type="video/mp4" label="360p">'
        '<source src="http://10.0.0.1/secret.mp4" type="video/mp4" label="1080p">'
        '<track kind="subtitles" srclang="de" src="http://10.0.0.1/secret.vtt"></video>',
    ),
    "/feed-partly-private": lambda _: Reply(
        b'<?xml version="1.0"?><rss version="2.0"><channel><title>Two</title>'
        b"<item><title>a</title><link>https://files.example/video.mp4</link></item>"
        b"<item><title>b</title><link>http://10.0.0.1/secret</link></item></channel></rss>",
        "application/rss+xml",
        kind="feed",
    ),
    "/said.vtt": _served("text/vtt", body=_VTT),
    "/list-5000": lambda request: Reply(_feed(request, 5000), "application/rss+xml", kind="feed"),
    # Files that are media whatever their names and types say, and files that are none.
    "/attachment": _served(
        "application/octet-stream", ("Content-Disposition", 'attachment; filename="movie.mp4"')
    ),
    "/typed": _served("application/mp4"),
    "/octets": _served("application/octet-stream"),
    "/song": _served("application/octet-stream", body=b"ID3\x04" + bytes(2000)),
    "/named": _served(
        "application/octet-stream", ("Content-Disposition", "attachment; filename=clip.mkv"), body=bytes(2000)
    ),
    "/data.json": _served("application/json", body=b'{"a": 1}'),
    "/said.srt": _served("application/x-subrip", body=b"1\n00:00:01,000 --> 00:00:02,000\nHello\n"),
    "/picture.png": _served("image/png", body=b"\x89PNG\r\n\x1a\n" + bytes(100)),
    "/archive": _served("application/octet-stream", body=b"PK\x03\x04" + bytes(2000)),
    "/ladder": _naming(
        "A ladder",
        body='<video><source src="/1080.mp4" type="video/mp4" label="1080p">'
        '<source src="/nohead.mp4" type="video/mp4" label="720p">'
        '<source src="/gone-file.mp4" type="video/mp4" label="480p"></video>',
    ),
    **{
        f"/html5-{name}": _naming(
            name, body=f'<video><source src="{{base}}/{name}.mp4" type="video/mp4"></video>'
        )
        for name in ("unsized", "gone-file", "silent-file", "login-file", "private-file")
    },
}


def play(request: Request) -> Reply | None:
    """The reply to a request for one of these; None for any other."""
    named = _PAGES.get(request.path)
    return named(request) if named else None
