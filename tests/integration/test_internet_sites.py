"""The small internet's larger sites under stock yt-dlp. Contract: a real process, used by yt-dlp."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import deno
import httpx
import pytest
from yt_dlp.extractor.dailymotion import DailymotionBaseInfoExtractor
from yt_dlp.extractor.youtube.jsc._builtin.ejs import yt_dlp_ejs

from tests.internet import EASY, Internet, youtube
from tests.internet.challenge import Player
from tests.internet.survey import ask, extract
from tests.internet.youtube_data import STREAMS, scrambled_signature

# yt-dlp leaves the connections of failed requests to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")


@pytest.fixture(scope="module")
def running() -> Iterator[Internet]:
    with Internet.spawn(settings=EASY) as internet:
        yield internet


@pytest.fixture
def internet(running: Internet) -> Internet:
    running.reset()
    return running


@pytest.fixture(autouse=True)
def headers(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Dailymotion's extractor classes; yt-dlp keeps its token there for the life of the process."""
    own = dict(DailymotionBaseInfoExtractor._HEADERS)
    monkeypatch.setattr(DailymotionBaseInfoExtractor, "_HEADERS", own)
    return own


@pytest.mark.parametrize("kind", ["small", "real"])
def test_the_player_script_solves_each_format(internet: Internet, kind: str) -> None:
    """Of each release in another way; what the tests expect of it is what yt-dlp's solver makes of it."""
    videos = {youtube.player_of(video, EASY): video for video in ("aaaaaaaaaaa", "bbbbbbbbbbb")}
    assert len(videos) == 2
    internet.set(challenge=True, player=kind)
    for player, video in videos.items():
        info = extract(f"https://youtu.be/{video}", internet.proxy)
        solved = {row["format_id"]: parse_qs(urlsplit(row["url"]).query) for row in info["formats"]}
        for stream in STREAMS:
            query = solved[str(stream.itag)]
            assert query["n"] == [player.solve_n(f"{video}-wG9")]
            assert query["sig"] == [player.solve_signature(scrambled_signature(stream.itag))]
    assert internet.counters().of("www.youtube.com", "script") == 2


def test_the_player_script_is_as_long_as_a_real_one() -> None:
    small, real = map(Player(1).script, ("small", "real"))
    assert len(small) < 10_000
    assert 2_500_000 < len(real) < 3_500_000
    assert Player.of(f"/s/player/{Player(31).id}/player_ias.vflset/en_US/base.js") == Player(31)
    assert Player.of("/s/player/nonsense/base.js") is None


@pytest.mark.parametrize("kind", ["missing", "unknown"])
def test_a_player_script_that_solves_nothing_costs_formats(internet: Internet, kind: str) -> None:
    internet.set(player=kind)
    assert "Requested format is not available" in ask("https://youtu.be/challenge__", internet.proxy)
    left = {row["format_id"] for row in extract("https://youtu.be/mixed______", internet.proxy)["formats"]}
    assert left & {"18", *(str(stream.itag) for stream in STREAMS)} == {"18"}


def solve(kind: str, challenges: list[str], timeout: float = 60) -> dict[str, str]:
    """The answers of yt-dlp's solver to `n` challenges in one process."""
    asked: dict[str, Any] = {"type": "player", "player": Player(1).script(kind).decode()}
    asked["requests"] = [{"type": "n", "challenges": challenges}]
    solver = yt_dlp_ejs.yt.solver
    code = f"{solver.lib()};Object.assign(globalThis,lib);{solver.core()};"
    code += f"console.log(JSON.stringify(jsc({json.dumps(asked)})))"
    command = [deno.find_deno_bin(), "run", "--ext=js", "--v8-flags=--max-old-space-size=64", "-"]
    done = subprocess.run(command, input=code.encode(), capture_output=True, timeout=timeout, check=True)
    (answer,) = json.loads(done.stdout)["responses"]
    solved: dict[str, str] = answer["data"]
    return solved


def test_a_polluting_player_script_spoils_what_its_process_is_asked_later() -> None:
    first, second = "abcdefghijk-wG9", "lmnopqrstuv-wG9"
    right = {challenge: Player(1).solve_n(challenge) for challenge in (first, second)}
    assert solve("small", [first, second]) == right
    assert solve("polluting", [second]) == {second: right[second]}
    spoilt = solve("polluting", [first, second])
    assert spoilt[first] == right[first]
    assert spoilt[second] != right[second]


def test_a_player_script_that_never_ends() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        solve("endless", ["abcdefghijk-wG9"], timeout=3)
    with pytest.raises(subprocess.CalledProcessError):
        solve("hungry", ["abcdefghijk-wG9"])


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
    info = extract(url, internet.proxy, **lenient)
    listed = [entry for entry in info["entries"] if entry]
    assert (len(listed), len({entry["url"] for entry in listed})) == (entries, entries)
    assert len(info["entries"]) - len(listed) == int("fails" in url)


def test_pages_are_as_long_as_is_set(internet: Internet) -> None:
    def length(path: str) -> int:
        trusted = ssl.create_default_context(cafile=internet.ca_file)
        with httpx.Client(proxy=internet.proxy, verify=trusted) as client:
            return len(client.post(f"https://www.youtube.com{path}", json={}).content)

    for watch_bytes, next_bytes in ((1_250_000, 440_000), (600_000, 200_000)):
        internet.set(watch_bytes=watch_bytes, next_bytes=next_bytes)
        assert abs(length("/watch?v=dQw4w9WgXcQ") - watch_bytes) < 10_000
        assert abs(length("/youtubei/v1/next") - next_bytes) < 25_000


def test_an_anonymous_token_is_taken_until_the_site_has_another(
    internet: Internet, headers: dict[str, str]
) -> None:
    """Stock yt-dlp never asks for a second token: only a new process, which has none, gets another."""
    video, api = "https://www.dailymotion.com/video/x5kesuj", "graphql.api.dailymotion.com"
    assert [row["format_id"] for row in extract(video, internet.proxy)["formats"]] == ["http-480", "http-720"]
    assert extract("https://dai.ly/x89eyek", internet.proxy)["view_count"] == 3456
    assert (internet.counters().of(api, "token"), internet.counters().of(api, "graphql")) == (1, 2)
    internet.set(token="T2")
    assert "HTTP Error 401" in ask(video, internet.proxy)
    del headers["Authorization"]
    assert "2 formats" in ask(video, internet.proxy)


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
