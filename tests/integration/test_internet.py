"""The small internet keeps its word. Contract: a real process of it, asked by yt-dlp and other clients."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit

import pytest
import trio
import yt_dlp
from yt_dlp.extractor.dailymotion import DailymotionBaseInfoExtractor

from tests.internet import EASY, Internet, World, serve, sites, youtube
from tests.internet.challenge import Player
from tests.internet.failures import FAILURES
from tests.internet.private import is_private
from tests.internet.survey import ask, options
from tests.internet.youtube_data import DURATION, STREAMS, scrambled_signature

# yt-dlp leaves the connections of failed requests to the garbage collector. Other tests would not forgive it:
# their warnings are errors, and a descriptor that is left behind makes each collect its own garbage.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")

WATCH = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"


@pytest.fixture(scope="module")
def running() -> Iterator[Internet]:
    with Internet.spawn(settings=EASY) as internet:
        yield internet


@pytest.fixture
def internet(running: Internet) -> Internet:
    running.reset()
    return running


def extract(url: str, internet: Internet, **more: object) -> dict[str, Any]:
    with yt_dlp.YoutubeDL({**options(internet.proxy), **more}) as ydl:
        info: dict[str, Any] = ydl.sanitize_info(ydl.extract_info(url, download=False))
    return info


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


class Tunnel(HTTPSConnection):
    """A connection and its `responses`: one that is not read to its end holds the socket, too."""

    def __init__(self, internet: Internet, context: ssl.SSLContext) -> None:
        super().__init__("127.0.0.1", internet.port, context=context, timeout=10)
        self.responses = contextlib.ExitStack()

    def getresponse(self) -> HTTPResponse:
        return self.responses.enter_context(super().getresponse())


@contextlib.contextmanager
def tunnel(internet: Internet, host: str) -> Iterator[HTTPSConnection]:
    """A connection to `host` whose certificate is checked against the internet's CA."""
    context = ssl.create_default_context(cafile=str(internet.ca_file))
    context.set_alpn_protocols(["h2", "http/1.1"])
    connection = Tunnel(internet, context)
    connection.set_tunnel(host, 443)
    with contextlib.closing(connection), connection.responses:
        yield connection


# Pages


def test_youtube_video(internet: Internet) -> None:
    info = extract(WATCH, internet)
    sizes = {row["format_id"]: row["filesize"] for row in info["formats"] if row.get("filesize")}
    assert {str(stream.itag): stream.size for stream in STREAMS}.items() <= sizes.items()
    assert {"18", "251", "299", "303", "308", "394", "399", "400"} <= sizes.keys()
    assert info["duration"] == DURATION
    assert {"en", "de"} <= info["subtitles"].keys()
    assert len(info["automatic_captions"]) > 100
    counters = internet.counters()
    assert (counters.of("www.youtube.com", "watch"), counters.of("www.youtube.com", "player")) == (1, 1)
    assert counters.bytes_sent > 900_000


@pytest.mark.parametrize("real", [False, True])
def test_the_player_script_solves_each_format(internet: Internet, real: bool) -> None:
    """Of each release in another way; what the tests expect of it is what yt-dlp's solver makes of it."""
    videos = {youtube.player_of(video, EASY): video for video in ("aaaaaaaaaaa", "bbbbbbbbbbb")}
    assert len(videos) == 2
    internet.set(challenge=True, real_player=real)
    for player, video in videos.items():
        info = extract(f"https://youtu.be/{video}", internet)
        solved = {row["format_id"]: parse_qs(urlsplit(row["url"]).query) for row in info["formats"]}
        for stream in STREAMS:
            query = solved[str(stream.itag)]
            assert query["n"] == [player.solve_n(f"{video}-wG9")]
            assert query["sig"] == [player.solve_signature(scrambled_signature(stream.itag))]
    assert internet.counters().of("www.youtube.com", "script") == 2


def test_the_player_script_is_as_long_as_a_real_one() -> None:
    small, real = (Player(1).script(real=real) for real in (False, True))
    assert len(small) < 10_000
    assert 2_500_000 < len(real) < 3_500_000
    assert Player.of(f"/s/player/{Player(31).id}/player_ias.vflset/en_US/base.js") == Player(31)
    assert Player.of("/s/player/nonsense/base.js") is None


@pytest.mark.parametrize(
    ("url", "extractor", "formats"),
    [
        ("https://html5.example/", "html5", 2),
        ("http://plain.example/", "html5", 2),
        ("https://direct.example/video.mp4", "generic", 1),
        ("https://hls.example/master.m3u8", "generic", 6),
        ("https://dash.example/manifest.mpd", "generic", 6),
        ("https://any.example/json-ld", "generic", 1),
    ],
)
def test_page_with_a_video(internet: Internet, url: str, extractor: str, formats: int) -> None:
    info = extract(url, internet)
    assert (info["extractor"], len(info["formats"])) == (extractor, formats)
    assert set(internet.counters().hosts) == {urlsplit(url).hostname}


def test_feed_is_a_playlist(internet: Internet) -> None:
    assert len(extract("https://feed.example/rss.xml", internet)["entries"]) == 5


@pytest.mark.parametrize(
    ("url", "entries"),
    [
        ("https://www.youtube.com/@someone/videos", 60),
        ("https://www.youtube.com/@fails-404/videos", 30),
        ("https://www.youtube.com/@fails-500/videos", 30),
        ("https://www.youtube.com/@fails-429/videos", 30),
        ("https://framatube.org/w/p/normal", 40),
        ("https://framatube.org/w/p/fails-404", 30),
    ],
)
def test_of_a_list_one_page_may_fail(internet: Internet, url: str, entries: int) -> None:
    """With errors ignored as the command line has it, a page that fails is a null at the end of the list."""
    lenient = {"playlistend": 60, "extract_flat": "in_playlist", "ignoreerrors": "only_download"}
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        info = extract(url, internet, **lenient)
        gc.collect()  # yt-dlp does not read the answer that it fails over; here its connection is closed
    listed = [entry for entry in info["entries"] if entry]
    assert (len(listed), len({entry["url"] for entry in listed})) == (entries, entries)
    assert len(info["entries"]) - len(listed) == int("fails" in url)


def test_pages_are_as_long_as_is_set(internet: Internet) -> None:
    def length(path: str) -> int:
        before = internet.counters().bytes_sent
        with tunnel(internet, "www.youtube.com") as connection:
            connection.request("POST", path, body=b"{}")
            connection.getresponse().read()
        return internet.counters().bytes_sent - before

    for watch_bytes, next_bytes in ((1_250_000, 440_000), (600_000, 200_000)):
        internet.set(watch_bytes=watch_bytes, next_bytes=next_bytes)
        assert abs(length("/watch?v=dQw4w9WgXcQ") - watch_bytes) < 10_000
        assert abs(length("/youtubei/v1/next") - next_bytes) < 25_000


def test_media_have_ranges(internet: Internet) -> None:
    with tunnel(internet, "direct.example") as connection:
        connection.request("HEAD", "/video.mp4")
        head = connection.getresponse()
        head.read()
        assert (head.status, head.headers["Content-Length"]) == (200, "1234567")
        connection.request("GET", "/video.mp4", headers={"Range": "bytes=10-19"})
        part = connection.getresponse()
        assert (part.status, len(part.read())) == (206, 10)
        assert part.headers["Content-Range"] == "bytes 10-19/1234567"


def test_an_anonymous_token_is_taken_until_the_site_has_another(
    internet: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stock yt-dlp keeps the token on a class and never asks again: only a new process gets another."""

    def as_in_a_new_process() -> None:
        headers = {"Content-Type": "application/json", "Origin": "https://www.dailymotion.com"}
        monkeypatch.setattr(DailymotionBaseInfoExtractor, "_HEADERS", headers)

    video, api = "https://www.dailymotion.com/video/x5kesuj", "graphql.api.dailymotion.com"
    as_in_a_new_process()
    assert [row["format_id"] for row in extract(video, internet)["formats"]] == ["http-480", "http-720"]
    assert extract("https://dai.ly/x89eyek", internet)["view_count"] == 3456
    assert (internet.counters().of(api, "token"), internet.counters().of(api, "graphql")) == (1, 2)
    internet.set(token="T2")
    assert "HTTP Error 401" in ask(video, internet.proxy)
    as_in_a_new_process()
    assert "2 formats" in ask(video, internet.proxy)


# Ways to fail


@pytest.mark.parametrize(
    ("scene", "says"),
    [
        ("private", "Private video"),
        ("removed", "removed by the uploader"),
        ("agegate", "confirm your age"),
        ("geoblock", "not made this video available in your country"),
        ("botcheck", "not a bot"),
        ("ratelimit", "rate-limited"),
        ("captcha", "captcha"),
        ("members", "members-only"),
        ("paid", "requires payment"),
        ("upcoming", "Premieres in 3 hours"),
        ("drm", "DRM protected"),
        ("sabr", "Requested format is not available"),
        ("mismatch", "likely being blocked"),
        ("http429", "Failed to extract any player response"),
        ("http503", "503"),
    ],
)
def test_youtube_refuses(internet: Internet, scene: str, says: str) -> None:
    said = ask(f"https://youtu.be/{youtube.video_id(scene)}", internet.proxy)
    assert said.startswith("DownloadError")
    assert says in said


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("403", "HTTP Error 403"),
        ("429-after", "HTTP Error 429"),
        ("412", "HTTP Error 412"),
        ("499", "HTTP Error 499"),
        ("cloudflare", "Cloudflare anti-bot challenge"),
        ("reset", "Remote end closed"),  # so Python's ssl reads a reset; the wire is looked at below
        ("truncated", "more expected"),
        ("broken-http", "BadStatusLine"),
        ("redirect-self", "redirect loop"),
        ("redirect-chain", "redirect loop"),
        ("redirect-file", "file:///etc/passwd"),
        ("refresh-file", "file:// URLs are disabled"),
        ("refused", "Tunnel connection failed: 502"),
        ("proxy-auth", "Tunnel connection failed: 407"),
        ("reset-connect", "reset by peer"),
    ],
)
def test_site_fails(internet: Internet, how: str, says: str) -> None:
    said = ask(f"https://{how}.fail-1.example/", internet.proxy)
    assert "Error" in said
    assert says in said
    assert internet.counters().of(f"{how}.fail-1.example") >= 1


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://www.bilibili.com/video/BV1xx411c7mD", "HTTP Error 412"),
        ("https://space.bilibili.com/352/video", "rejected by server (352)"),
        ("https://space.bilibili.com/412/video", "blocked by server (412)"),
        ("https://www.dailymotion.com/video/xmissing", "Media not found"),
        ("https://www.dailymotion.com/video/xgeoblock", "not available in your country"),
    ],
)
def test_site_has_an_error_of_its_own(internet: Internet, url: str, says: str) -> None:
    assert says in ask(url, internet.proxy)


def test_ways_into_the_private_side_are_seen(internet: Internet) -> None:
    reached, expected = {}, {}
    for how in FAILURES:
        if how.startswith(("redirect-", "hls-", "rss-", "video-")):
            internet.reset()
            ask(f"https://fail.example/{how}", internet.proxy)
            reached[how] = internet.counters().private_hits > 0
            expected[how] = not how.endswith(("-self", "-chain", "-file", "-ftp"))
    assert reached == expected


def test_a_client_that_goes_round_the_proxy_is_seen(internet: Internet) -> None:
    with contextlib.closing(HTTPConnection("127.0.0.1", internet.port, timeout=10)) as connection:
        connection.request("GET", "/secret")
        assert b"SECRET" in connection.getresponse().read()
    assert internet.counters().private == [f"GET http://127.0.0.1:{internet.port}/secret"]


def test_every_failure_answers_or_ends(internet: Internet) -> None:
    """Each gives a client a status, silence, or the connection's end."""
    seen = {}
    for how in FAILURES.keys() - {"huge", "enormous", "slow"}:
        with tunnel(internet, "fail.example") as connection:
            connection.connect()
            connection.sock.settimeout(0.3 if how == "hang" else 10)
            try:
                connection.request("GET", f"/{how}")
                seen[how] = str(connection.getresponse().status)
            except OSError as error:
                seen[how] = type(error).__name__
            except Exception as error:
                seen[how] = f"HTTP: {type(error).__name__}"
    assert seen.pop("hang") == "TimeoutError"
    assert seen.pop("reset") in ("RemoteDisconnected", "ConnectionResetError")
    assert seen.pop("broken-http") == "HTTP: BadStatusLine"
    for how, status in seen.items():
        expected = how[:3] if how[:3].isdigit() else {"cloudflare": "403"}.get(how)
        assert status == (expected or ("302" if how.startswith("redirect") else "200")), how


def test_retry_after(internet: Internet) -> None:
    for how, expected in (("429", None), ("429-after", "7"), ("503-after", "7")):
        with tunnel(internet, "fail.example") as connection:
            connection.request("GET", f"/{how}")
            assert connection.getresponse().headers["Retry-After"] == expected


def test_reset_is_a_reset(internet: Internet) -> None:
    with socket.create_connection(("127.0.0.1", internet.port), timeout=10) as client:
        client.sendall(b"GET http://fail.example/reset HTTP/1.1\r\nHost: fail.example\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_drip_and_hang_end_with_the_client(internet: Internet) -> None:
    with tunnel(internet, "fail.example") as dripping, tunnel(internet, "fail.example") as hanging:
        dripping.request("GET", "/drip")
        assert dripping.getresponse().read(1) == b"<"
        hanging.request("GET", "/hang")
        eventually(lambda: internet.counters().hanging == 1)
        assert internet.counters().open_requests == 2
    eventually(lambda: internet.counters().open_requests == 0)
    assert internet.counters().hanging == 0


def test_huge_page(internet: Internet) -> None:
    with tunnel(internet, "fail.example") as connection:
        connection.request("GET", "/huge")
        assert len(connection.getresponse().read()) == 50_000_000


def test_what_nobody_reads_is_not_sent(internet: Internet) -> None:
    with tunnel(internet, "fail.example") as connection:
        connection.request("GET", "/enormous")
        answer = connection.getresponse()
        assert answer.length == 300_000_000
        assert len(answer.read(1_000_000)) == 1_000_000
    eventually(lambda: internet.counters().open_requests == 0)
    assert internet.counters().bytes_sent < 100_000_000


def test_bad_certificate(internet: Internet) -> None:
    with (
        tunnel(internet, "bad-cert.fail-1.example") as connection,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        connection.connect()
    assert "2 formats" in ask("https://bad-cert.fail-2.example/", internet.proxy)


# Mechanics and switches


def test_connections_are_kept_alive(internet: Internet) -> None:
    with tunnel(internet, "any.example") as connection:
        for _ in range(3):
            connection.request("GET", "/", headers={"Cookie": "a=b"})
            assert connection.getresponse().read().endswith(b"</html>\n")
        assert isinstance(connection.sock, ssl.SSLSocket)
        assert connection.sock.selected_alpn_protocol() == "http/1.1"
    counters = internet.counters()
    assert (counters.of("any.example"), counters.tunnels["any.example"]) == (3, 1)


def test_latency_is_per_host_and_noticed_by_nobody_else(internet: Internet) -> None:
    internet.set_latency("slow.example", 0.3)
    for host, waits in (("www.slow.example", True), ("quick.example", False)):
        with tunnel(internet, host) as connection:
            connection.connect()
            before = time.monotonic()
            connection.request("GET", "/empty")
            connection.getresponse().read()
            # A bound for the slow one only: a busy machine may delay the quick one.
            assert time.monotonic() - before >= 0.3 or not waits


def test_a_switch_lasts_as_long_as_it_was_told_to(internet: Internet) -> None:
    def status(host: str) -> int:
        with tunnel(internet, host) as connection:
            connection.request("GET", "/empty")
            return connection.getresponse().status

    internet.fail("a.example", "503", times=2)
    assert [status("www.a.example") for _ in range(3)] == [503, 503, 200]
    internet.fail("b.example", "429", seconds=3600)
    assert (status("b.example"), status("a.example")) == (429, 200)
    internet.heal("b.example")
    assert status("b.example") == 200
    internet.fail("c.example", "500", seconds=0)
    assert status("c.example") == 200
    internet.fail("*", "410")
    assert status("d.example") == 410
    internet.reset()
    assert status("d.example") == 200


def test_youtube_can_fail_as_a_whole(internet: Internet) -> None:
    internet.fail("youtube.com", "botcheck")
    assert "not a bot" in ask(WATCH, internet.proxy)
    internet.fail("youtube.com", "503")
    assert "503" in ask(WATCH, internet.proxy)
    internet.heal("youtube.com")
    assert "37 formats" in ask(WATCH, internet.proxy)


def test_control_refuses_nonsense(internet: Internet) -> None:
    with pytest.raises(HTTPError) as refused:
        internet.fail("a.example", "gloriously")
    assert refused.value.code == 400
    assert "botcheck" in json.load(io.TextIOWrapper(refused.value))["error"]
    assert {"503", "hang", "refused", "private"} <= sites.hows()
    for nonsense in ({"token": 2}, {"weather": "fine"}):
        with pytest.raises(HTTPError):
            internet.set(**nonsense)


def test_private_hosts() -> None:
    private = (
        "127.0.0.1 2130706433 0x7f000001 0177.0.0.1 127.1 [::1] ::ffff:10.0.0.1 169.254.169.254 LOCALHOST."
    )
    assert all(map(is_private, [*private.split(), "metadata.google.internal", ""]))
    assert not any(map(is_private, ["1.1.1.1", "[2606:4700::1111]", "www.youtube.com", "127.example"]))


async def test_served_in_the_tests_own_loop() -> None:
    async with trio.open_nursery() as nursery:
        world: World = await nursery.start(serve)
        stream = await trio.open_tcp_stream("127.0.0.1", world.port)
        async with stream:
            await stream.send_all(b"GET http://any.example/text HTTP/1.1\r\nHost: any.example\r\n\r\n")
            answer = await stream.receive_some()
        assert answer.startswith(b"HTTP/1.1 200")
        assert world.state.hosts["any.example"]["total"] == 1
        nursery.cancel_scope.cancel()


def test_it_ends_with_whoever_spawned_it() -> None:
    script = (
        "import os, signal\nfrom tests.internet import Internet\n"
        "with Internet.spawn() as internet:\n"
        "    print(internet.port, flush=True)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, cwd=os.curdir, timeout=30)
    port = int(killed.stdout)

    def gone() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    eventually(gone)


def test_many_at_once(internet: Internet) -> None:
    internet.set_latency("crowd.example", 0.5)

    def visit() -> None:
        with tunnel(internet, "crowd.example") as connection:
            connection.request("GET", "/empty")
            assert connection.getresponse().status == 200

    visitors = [threading.Thread(target=visit) for _ in range(10)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    counters = internet.counters()
    assert counters.of("crowd.example") == 10
    assert counters.peak_open_requests > 1
