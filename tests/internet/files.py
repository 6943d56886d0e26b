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


def _without_head(status: int) -> Callable[[Request], Reply]:
    """A server that answers HEAD with `status`."""
    return lambda request: replace(_REFUSED, status=status) if request.method == "HEAD" else _file(request)


def _served(content_type: str, *headers: tuple[str, str], body: bytes = b"") -> Callable[[Request], Reply]:
    """A file with these headers: an MP4, or `body`."""
    return lambda request: replace(
        _file(request),
        content_type=content_type,
        headers=headers,
        **({"body": body, "status": 200} if body else {}),
    )


def _naming(title: str, head: str = "", body: str = "") -> Callable[[Request], Reply]:
    """A page that names a file; {base} in it is the site."""
    return lambda request: page(
        title,
        body.replace("{base}", f"{request.scheme}://{request.host}"),
        head=head.replace("{base}", f"{request.scheme}://{request.host}"),
    )


_PAGES: dict[str, Callable[[Request], Reply]] = {
    # Servers that do not take HEAD, that say nothing of a length, that fail, or that lead away.
    "/nohead.mp4": _without_head(405),
    "/headonly403.mp4": _without_head(403),
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
