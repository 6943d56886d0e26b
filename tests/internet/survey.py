"""`python -m tests.internet.survey`: what stock yt-dlp says to every page; prints the tables of README.md.

Each URL gets a child of its own, forked after yt-dlp is imported, with a limit on its time.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import yt_dlp

from . import EASY, Internet, sites, youtube
from .failures import FAILURES

PATIENCE = 8.0  # seconds for one URL; socket timeouts are 3
PAGES = (
    "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
    "https://youtu.be/dQw4w9WgXcQ",
    "https://www.youtube.com/shorts/dQw4w9WgXcQ",
    "https://www.dailymotion.com/video/x5kesuj",
    "https://html5.example/",
    "https://direct.example/video.mp4",
    "http://direct.example/video.mp4",
    "https://hls.example/master.m3u8",
    "https://dash.example/manifest.mpd",
    "https://feed.example/rss.xml",
    "https://any.example/json-ld",
    "https://any.example/cookies",
    "https://any.example/refresh",
    "https://any.example/redirect",
    "https://any.example/empty",
    "https://any.example/text",
)
ERRORS = (
    *(f"https://www.dailymotion.com/video/{xid}" for xid in ("xmissing", "xgeoblock", "xprivate", "xbroken")),
    "https://www.bilibili.com/video/BV1xx411c7mD",
    "https://space.bilibili.com/352/video",
    "https://space.bilibili.com/412/video",
    "https://framatube.org/w/p/fails-404",
    "https://www.youtube.com/@fails-404/videos",
    "https://www.youtube.com/@fails-429/videos",
    "https://www.youtube.com/@fails-500/videos",
)


class _Silent:
    def debug(self, message: str) -> None: ...

    warning = error = debug


def options(proxy: str) -> dict[str, object]:
    """Stock yt-dlp for metadata, with short timeouts and few retries."""
    return {
        "proxy": proxy,
        "nocheckcertificate": True,
        "quiet": True,
        "color": "no_color",
        "logger": _Silent(),
        "skip_download": True,
        "format": "bv*+ba/b",
        "check_formats": False,
        "cachedir": False,
        "socket_timeout": 3,
        "retries": 1,
        "extractor_retries": 1,
    }


def extract(url: str, proxy: str, **more: object) -> dict[str, Any]:
    """What yt-dlp makes of `url`, with `more` options."""
    with yt_dlp.YoutubeDL({**options(proxy), **more}) as ydl:
        info: dict[str, Any] = ydl.sanitize_info(ydl.extract_info(url, download=False))
    return info


def ask(url: str, proxy: str) -> str:
    """One line: what yt-dlp makes of `url`, or the error it raises."""
    try:
        info = extract(url, proxy)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    kind, formats = info.get("_type", "video"), info.get("formats") or ()
    what = f"{len(info['entries'])} entries" if "entries" in info else f"{len(formats)} formats"
    return f"{kind}, {info['extractor']}, {info['title']!r}, {info.get('duration')} s, {what}"


def ask_in_a_child(url: str, proxy: str) -> str:
    """`ask`, killed when it takes longer than PATIENCE."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            os.write(writer, ask(url, proxy).encode()[:4000])
        finally:
            os._exit(0)
    os.close(writer)
    answered, _, _ = select.select([reader], [], [], PATIENCE)
    said = (
        os.read(reader, 4000).decode(errors="replace") if answered else f"(nothing within {PATIENCE:.0f} s)"
    )
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(reader)
    return said


def urls() -> Iterator[tuple[str, list[str]]]:
    """Every page and every failure, by heading."""
    yield "Pages that work", list(PAGES)
    yield "YouTube videos", [f"https://youtu.be/{youtube.video_id(name)}" for name in youtube.SCENES]
    yield "Errors of one site", list(ERRORS)
    yield "Failures of any site", [f"https://fail.example/{how}" for how in FAILURES]
    yield (
        "Failures of the connection",
        [f"https://{how}.fail-1.example/" for how in sorted(sites.TUNNEL_FAILURES)],
    )


def main() -> None:
    yt_dlp.extractor.gen_extractor_classes()
    with Internet.spawn(settings=EASY) as internet:
        for heading, group in urls():
            print(f"\n### {heading}\n\n| URL | private hits | stock yt-dlp |")
            print("| --- | --- | --- |")
            for url in group:
                internet.reset()
                said = ask_in_a_child(url, internet.proxy)
                hits = internet.counters().private_hits
                said = " ".join(said.split()).replace("|", "\\|").replace(internet.proxy, "PROXY")
                said = said.replace(str(internet.port), "PORT")
                shown = said if len(said) <= 170 else said[:170] + "…"
                address = url if urlsplit(url).path else url + "/"
                print(f"| {address} | {hits} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
