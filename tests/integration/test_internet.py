"""The small internet behaves as documented. Contract: a real process, used by yt-dlp and other clients."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

import pytest
import trio

from tests.internet import EASY, Internet, World, serve, sites, youtube
from tests.internet.failures import FAILURES
from tests.internet.private import is_private
from tests.internet.survey import ask, extract
from tests.internet.youtube_data import DURATION, STREAMS

# yt-dlp leaves the connections of failed requests to the garbage collector. Other tests fail on this warning,
# and collect garbage when a descriptor is left open.
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
    info = extract(WATCH, internet.proxy)
    sizes = {row["format_id"]: row["filesize"] for row in info["formats"] if row.get("filesize")}
    assert {str(stream.itag): stream.size for stream in STREAMS}.items() <= sizes.items()
    assert {"18", "251", "299", "303", "308", "394", "399", "400"} <= sizes.keys()
    assert info["duration"] == DURATION
    assert {"en", "de"} <= info["subtitles"].keys()
    assert len(info["automatic_captions"]) > 100
    counters = internet.counters()
    assert (counters.of("www.youtube.com", "watch"), counters.of("www.youtube.com", "player")) == (1, 1)
    assert counters.bytes_sent > 900_000


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
    info = extract(url, internet.proxy)
    assert (info["extractor"], len(info["formats"])) == (extractor, formats)
    assert set(internet.counters().hosts) == {urlsplit(url).hostname}


def test_feed_is_a_playlist(internet: Internet) -> None:
    assert len(extract("https://feed.example/rss.xml", internet.proxy)["entries"]) == 5


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
    """Each failure is a status, silence, or the end of the connection."""
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


def test_an_unread_body_is_not_sent(internet: Internet) -> None:
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


def test_latency_applies_to_one_host_only(internet: Internet) -> None:
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


def test_sites_tell_egresses_apart(internet: Internet) -> None:
    def status(egress: str, url: str = "http://a.example/empty") -> int:
        opener = build_opener(ProxyHandler({"http": internet.proxy_of(egress)}))
        try:
            with opener.open(url, timeout=10) as response:
                return int(response.status)
        except HTTPError as error:
            return error.code

    internet.fail("a.example", "429", egress="fra1")
    assert [status(egress) for egress in ("fra1", "fra2")] == [429, 200]
    internet.heal("a.example")
    internet.fail("a.example", "429", per_minute=2)
    assert [status("fra1") for _ in range(4)] == [200, 200, 429, 429]
    assert status("fra2") == 200
    assert internet.counters().through("fra1", "a.example") == 5
    assert "37 formats" in ask(WATCH, internet.proxy_of("fra1"))
    assert internet.counters().through("fra1", "www.youtube.com") > 1
    assert internet.counters().through("127.0.0.1", "www.youtube.com") == 0


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
    for nonsense in ({"token": 2}, {"weather": "fine"}, {"player": "best"}):
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


def test_it_ends_with_its_parent_process() -> None:
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
