"""Every way a site fails, for https://fail.example/NAME, https://NAME.fail-1.example/ and switches. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from . import media
from .message import Manner, Reply, Request, page, redirect

METADATA = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
_KIND = "failure"

Failure = Callable[[Request, int], Reply]  # the request, and the proxy's own port


def play(request: Request, how: str, port: int) -> Reply:
    """The reply of a site that fails in the way `how`; 404 when there is no such way."""
    reply = FAILURES.get(how, FAILURES["404"])(request, port)
    return replace(reply, kind=_KIND)


def _status(status: int, text: str, *headers: tuple[str, str]) -> Failure:
    reply = replace(page(f"{status} {text}", "<p>No.</p>"), status=status, headers=headers)
    return lambda request, port: reply


def _to(location: str) -> Failure:
    """A redirect; `{port}` in it becomes the proxy's own port."""
    return lambda request, port: redirect(location.format(port=port))


def _refresh(location: str) -> Failure:
    return lambda request, port: page(
        "Moved", "", head=f'<meta http-equiv="refresh" content="0; url={location.format(port=port)}">'
    )


def _same(reply: Reply) -> Failure:
    return lambda request, port: reply


def _manner(manner: Manner) -> Failure:
    return _same(replace(media.html5(), manner=manner))


def _step(request: Request) -> tuple[str, int]:
    """The URL of the next step of an endless chain, and its number."""
    number = int(request.parameter("step", "0")) + 1
    return f"{request.path}?step={number}", number


def _redirect_chain(request: Request, port: int) -> Reply:
    return redirect(_step(request)[0])


def _refresh_chain(request: Request, port: int) -> Reply:
    location, number = _step(request)
    return page(f"Step {number}", "", head=f'<meta http-equiv="refresh" content="0; url={location}">')


def _to_itself(request: Request, port: int) -> Reply:
    return redirect(request.url)


def _manifests(request: Request, port: int) -> Reply:
    """A page that names 500 HLS masters; each is then answered honestly."""
    if request.path.endswith(".m3u8"):
        return Reply(media.master(), "application/vnd.apple.mpegurl")
    path = request.path.rstrip("/")
    tags = "".join(
        f'<video><source src="{path}/{n}.m3u8" type="application/x-mpegURL"></video>' for n in range(500)
    )
    return page("500 manifests", tags)


# A megabyte; a page of it is as big as anyone likes, and costs the small internet nothing.
_PIECE = (b"<!DOCTYPE html><title>A big page</title>" + b"<p>All work and no play.</p>\n" * 36_000)[
    :1_000_000
]
# yt-dlp's pattern for JW Player backtracks over every pair of braces: minutes of CPU for these 16 KB.
_BOMB = 'jwplayer("a").setup({}' * 730
_GARBAGE = bytes((index * index * 31 + index * 7) % 251 for index in range(4096))

_REFUSED_PLACES = (
    *("file:///etc/passwd", "ws://10.0.0.1/", "rtmp://10.0.0.1/a", "javascript:alert(1)", "data:video/mp4,x"),
    *("http://10.0.0.1/a.mp4", "//127.0.0.1/a.mp4", "http://router.local/a.mp4"),
)

FAILURES: dict[str, Failure] = {
    "401": _status(401, "Unauthorized", ("WWW-Authenticate", 'Basic realm="members"')),
    "402": _status(402, "Payment Required"),
    "403": _status(403, "Forbidden"),
    "404": _status(404, "Not Found"),
    "405": _status(405, "Method Not Allowed"),
    "406": _status(406, "Not Acceptable"),
    "409": _status(409, "Conflict"),
    "410": _status(410, "Gone"),
    "412": _status(412, "Precondition Failed"),
    "418": _status(418, "I'm a teapot"),
    "420": _status(420, "Enhance Your Calm"),
    "423": _status(423, "Locked"),
    "425": _status(425, "Too Early"),
    "429": _status(429, "Too Many Requests"),
    "429-after": _status(429, "Too Many Requests", ("Retry-After", "7")),
    "429-date": _status(429, "Too Many Requests", ("Retry-After", "Wed, 01 Jan 2031 00:00:00 GMT")),
    "430": _status(430, "Request Header Fields Too Large"),
    "444": _status(444, "No Response"),
    "451": _status(451, "Unavailable For Legal Reasons"),
    "499": _status(499, "Client Closed Request"),
    "500": _status(500, "Internal Server Error"),
    "502": _status(502, "Bad Gateway"),
    "503": _status(503, "Service Unavailable"),
    "503-after": _status(503, "Service Unavailable", ("Retry-After", "7")),
    "json-error": _same(Reply(b'{"error": {"code": 412, "message": "blocked"}}', "application/json")),
    "cloudflare": _status(403, "Just a moment...", ("Server", "cloudflare"), ("cf-mitigated", "challenge")),
    "hang": _manner(Manner.HANG),
    "drip": _manner(Manner.DRIP),
    "reset": _manner(Manner.RESET),
    "truncated": _manner(Manner.TRUNCATE),
    "slow": _same(replace(media.html5(), delay=2.0)),
    "garbage": _same(Reply(_GARBAGE)),
    "broken-http": _same(Reply(b"220 mail.example ESMTP\r\n\r\n", manner=Manner.RAW)),
    "huge": _same(Reply(_PIECE, times=50)),
    "enormous": _same(Reply(_PIECE, times=300)),
    "empty": _same(Reply(b"")),
    "regex-bomb": _same(page("Try to match this", _BOMB)),
    "manifests": _manifests,
    "redirect-self": _to_itself,
    "redirect-chain": _redirect_chain,
    "refresh-chain": _refresh_chain,
    "redirect-loopback": _to("http://127.0.0.1:{port}/secret"),
    "redirect-localhost": _to("http://localhost:{port}/secret"),
    "redirect-tls": _to("https://127.0.0.1:{port}/secret"),
    "redirect-decimal": _to("http://2130706433:{port}/secret"),
    "redirect-hex": _to("http://0x7f000001:{port}/secret"),
    "redirect-octal": _to("http://0177.0.0.1:{port}/secret"),
    "redirect-short": _to("http://127.1:{port}/secret"),
    "redirect-ipv6": _to("http://[::1]:{port}/secret"),
    "redirect-mapped": _to("http://[::ffff:127.0.0.1]:{port}/secret"),
    "redirect-private": _to("http://10.0.0.1/secret"),
    "redirect-metadata": _to(METADATA),
    "redirect-file": _to("file:///etc/passwd"),
    "redirect-ftp": _to("ftp://127.0.0.1:{port}/secret"),
    "refresh-loopback": _refresh("http://127.0.0.1:{port}/secret"),
    "refresh-file": _refresh("file:///etc/passwd"),
    "refresh-search": _refresh("ytsearch1:anything"),
    "hls-private": lambda request, port: Reply(
        media.master(f"http://127.0.0.1:{port}/"), "application/vnd.apple.mpegurl"
    ),
    "dash-private": lambda request, port: Reply(
        media.mpd(f"http://127.0.0.1:{port}/"), "application/dash+xml"
    ),
    "rss-private": lambda request, port: Reply(
        media.feed(f"http://127.0.0.1:{port}/"), "application/rss+xml"
    ),
    "many-places": lambda request, port: page(
        "A video in many places",
        '<video poster="file:///etc/passwd"><source src="/public.mp4" type="video/mp4">'
        + "".join(f'<source src="{place}" type="video/mp4">' for place in _REFUSED_PLACES)
        + '<track kind="subtitles" srclang="en" src="http://10.0.0.1/en.vtt"></video>',
    ),
    "video-private": lambda request, port: page(
        "A private video",
        f'<video><source src="http://127.0.0.1:{port}/master.m3u8" type="application/x-mpegURL"></video>',
    ),
}
