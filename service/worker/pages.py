"""The pages of a rehearsal: one of each kind that yt-dlp reads by different code, on any host. Pure."""

from __future__ import annotations

from collections.abc import Mapping


def pages(host: str) -> Mapping[str, tuple[str, str]]:
    """By URL, the type and the text of each page and of what it refers to.

    Args:
        host: scheme and authority.
    """
    return {
        f"{host}/page": (
            "text/html",
            '<html><head><title>A page</title><meta property="og:title" content="A page"></head><body>'
            '<video width="640" height="360"><source src="/v.mp4" type="video/mp4"></video></body></html>',
        ),
        f"{host}/v.mp4": ("video/mp4", ""),
        f"{host}/master.m3u8": (
            "application/vnd.apple.mpegurl",
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,CODECS="
            '"avc1.4d401e,mp4a.40.2"\nv.m3u8\n',
        ),
        f"{host}/v.m3u8": (
            "application/vnd.apple.mpegurl",
            "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nv.ts\n#EXT-X-ENDLIST\n",
        ),
        f"{host}/dash.mpd": (
            "application/dash+xml",
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
            'mediaPresentationDuration="PT6S"><Period><AdaptationSet mimeType="video/mp4"><Representation '
            'id="1" bandwidth="800000" width="640" height="360" codecs="avc1.4d401e"><BaseURL>v.mp4</BaseURL>'
            "</Representation></AdaptationSet></Period></MPD>",
        ),
        f"{host}/feed.xml": (
            "application/rss+xml",
            '<?xml version="1.0"?><rss version="2.0"><channel><title>A feed</title><item><title>One</title>'
            f'<link>{host}/page</link><enclosure url="{host}/v.mp4" type="video/mp4"/></item></channel>'
            "</rss>",
        ),
    }


def visits(host: str) -> tuple[str, ...]:
    """The URLs to extract, one of each kind."""
    return tuple(f"{host}/{name}" for name in ("page", "v.mp4", "master.m3u8", "dash.mpd", "feed.xml"))
