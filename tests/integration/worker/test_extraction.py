"""Real yt-dlp in a worker against the small internet (contract: real processes and sockets).

Results are compared with `yt-dlp -J` before publishing leaves fields out. The command line gets the worker's
parameters, so that the trimming is the only difference.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.codes import Code
from service.sizes import KEYS
from service.template_wire import WorkerSettings
from service.wire import Failure, Job, Kind, Outcome, Success
from service.worker.job_record import MAX_BYTES
from tests.internet import Internet
from tests.support.lone_worker import LoneWorker
from tests.support.plugins import install_plugin
from tests.support.processes import gone
from tests.support.running_service import eventually

WATCH = "https://www.youtube.com/watch?v="
VIDEO = f"{WATCH}dQw4w9WgXcQ"
SITE = "https://video.example"

# Every kind of page, and the number of playlist entries.
PAGES: dict[str, tuple[str, int]] = {
    "youtube": (VIDEO, 0),
    "youtube-challenge": (f"{WATCH}challenge__", 0),
    "youtube-live": (f"{WATCH}live_______", 0),
    "html5": (f"{SITE}/html5", 0),
    "json-ld": (f"{SITE}/json-ld", 0),
    "mp4": (f"{SITE}/video.mp4", 0),
    "mp3": (f"{SITE}/sound.mp3", 0),
    "hls": (f"{SITE}/master.m3u8", 0),
    "hls-live": (f"{SITE}/live.m3u8", 0),
    "dash": (f"{SITE}/manifest.mpd", 0),
    "rss": (f"{SITE}/feed.xml", 0),
    "rss-3": (f"{SITE}/feed.xml", 3),
    "channel": ("https://www.youtube.com/@someone/videos", 60),
    "channel-404": ("https://www.youtube.com/@fails-404/videos", 60),
    "redirect": (f"{SITE}/redirect", 0),
    "refresh": (f"{SITE}/refresh", 0),
}

LIVE = ("youtube-live", "hls-live")


@pytest.fixture(scope="module")
def settings(internet: Internet) -> WorkerSettings:
    return WorkerSettings(proxy=internet.proxy, ca_file=str(internet.ca_file))


@pytest.fixture(scope="module")
def worker(settings: WorkerSettings) -> Iterator[LoneWorker]:
    with LoneWorker.spawn(settings) as running:
        yield running


@pytest.fixture(scope="module")
def printed(internet: Internet) -> dict[str, Any]:
    """The output of the command line for each page; one run for all pages with equal options."""

    def run(alike: tuple[int, bool]) -> dict[str, Any]:
        playlist, live = alike
        asked = {page: url for page, (url, entries) in PAGES.items() if (entries, page in LIVE) == alike}
        command = [sys.executable, "-m", "yt_dlp", "--ignore-config", "--no-plugin-dirs", "--no-cache-dir"]
        command += ["--proxy", internet.proxy, "--compat-options", "no-certifi", "--xff", "never"]
        command += ["--retries", "1", "--extractor-retries", "1", "--no-check-formats"]
        if not live:  # for which the choice does not depend on an ffmpeg
            command += ["-f", "bv*+ba/b"]
        command += ["--flat-playlist", "--playlist-end", str(playlist or 25)]
        command += ["--yes-playlist" if playlist else "--no-playlist", "-J", *asked.values()]
        environment = {**os.environ, "SSL_CERT_FILE": str(internet.ca_file)}
        done = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
        lines = done.stdout.splitlines()  # one for each page, also where a part of a list is lost
        assert len(lines) == len(asked), done.stderr.decode()
        return dict(zip(asked, map(json.loads, lines), strict=True))

    kinds = {(entries, page in LIVE) for page, (_, entries) in PAGES.items()}
    with ThreadPoolExecutor(2) as pool:
        return {page: info for infos in pool.map(run, kinds) for page, info in infos.items()}


@pytest.fixture(scope="module")
def raw(settings: WorkerSettings) -> Iterator[LoneWorker]:
    with LoneWorker.spawn(settings, raw=True) as running:
        yield running


def body_of(outcome: Outcome) -> dict[str, Any]:
    assert isinstance(outcome, Success), outcome
    body: dict[str, Any] = json.loads(outcome.body, parse_constant=pytest.fail)
    return body


def extract(worker: LoneWorker, url: str, **given: Any) -> dict[str, Any]:
    return body_of(worker.run(Job(Kind.EXTRACT, url, **given)))


def failure(worker: LoneWorker, url: str, **given: Any) -> Failure:
    outcome = worker.run(Job(Kind.EXTRACT, url, **given))
    assert isinstance(outcome, Failure), outcome
    return outcome


def _steady(value: Any) -> Any:
    """`value` without what differs between any two runs of yt-dlp: times, and its random version of Chrome.

    It also leaves out the trace of a playlist postprocessor, which only the command line has, and `partial`.
    """
    if isinstance(value, dict):
        fleeting = ("epoch", "available_at", "__files_to_move", "partial")
        return {key: _steady(item) for key, item in value.items() if key not in fleeting}
    if isinstance(value, list):
        return [_steady(item) for item in value]
    if isinstance(value, str):
        # A live video's title ends with the minute of its extraction.
        return re.sub(r" \d{4}-\d\d-\d\d \d\d[:_]\d\d", "", re.sub(r"Chrome/[\d.]+", "Chrome", value))
    return value


@pytest.mark.parametrize("page", PAGES)
def test_the_info_equals_what_the_command_line_prints(
    page: str, raw: LoneWorker, printed: dict[str, Any]
) -> None:
    url, playlist = PAGES[page]
    extract(raw, url, playlist=playlist)
    found = extract(raw, url, playlist=playlist)  # a second run, which would show the state of the first
    assert _steady(found) == _steady(printed[page])
    assert list(_steady(found)) == list(_steady(printed[page])), "also in the same order"


@pytest.mark.parametrize("page", PAGES)
def test_what_goes_out_is_yt_dlps_fields_without_its_secrets(
    page: str, worker: LoneWorker, printed: dict[str, Any]
) -> None:
    url, playlist = PAGES[page]
    found = extract(worker, url, playlist=playlist)
    assert next(iter(found)) == "ok"
    assert found.pop("ok") is True
    theirs = printed[page]
    unpublished = set(theirs) - set(found)
    kept_back = {name for name in unpublished if not name.startswith("_")}
    assert kept_back <= {"requested_downloads", "cookies", "hls_aes"}
    assert found["id"] == theirs["id"]
    assert [f["format_id"] for f in found.get("formats", ())] == [
        f["format_id"] for f in theirs.get("formats", ())
    ]
    text = json.dumps(found)
    for secret in ("_filename", "__yt_dlp", "cookies", "/root", ":@", "@127.0.0.1"):
        assert secret not in text


def test_playlists(worker: LoneWorker) -> None:
    all_of_it = extract(worker, f"{SITE}/feed.xml")
    assert all_of_it["_type"] == "playlist"
    assert len(all_of_it["entries"]) == 5
    assert len(extract(worker, f"{SITE}/feed.xml", playlist=2)["entries"]) == 2


def test_named_fields_only(worker: LoneWorker) -> None:
    found = extract(worker, VIDEO, fields=("id", "title", "_version", "cookies", "nonsense"))
    assert set(found) == {"ok", "id", "title"}


def test_sizes_of_a_youtube_video(worker: LoneWorker) -> None:
    found = body_of(worker.run(Job(Kind.SIZE, VIDEO)))
    assert found["ok"] is True
    assert set(found["bytes"]) == set(KEYS)
    assert found["formats"]["s1080p"] == "399+251"
    assert found["accuracy"]["s1080p"] == "exact"
    info = extract(worker, VIDEO)
    weights = {item["format_id"]: item.get("filesize") for item in info["formats"]}
    assert found["bytes"]["s1080p"] == weights["399"] + weights["251"]
    assert found["duration"] == info["duration"]


def test_sizes_by_height_where_only_a_bitrate_is_known(worker: LoneWorker) -> None:
    dash = body_of(worker.run(Job(Kind.SIZE, f"{SITE}/manifest.mpd")))
    assert dash["accuracy"]["s1080p"] == "estimated"
    assert dash["bytes"]["s1080p"] == (4_800_000 + 128_000) * 120 // 8
    assert dash["bytes"]["s480p"] is None
    assert dash["live"] is False


def test_a_live_stream_has_a_size_only_for_so_many_seconds(worker: LoneWorker) -> None:
    for url in (f"{WATCH}live_______", f"{SITE}/live.m3u8"):
        endless = body_of(worker.run(Job(Kind.SIZE, url)))
        assert (endless["live"], endless["duration"]) == (True, None)
        assert not any(endless["bytes"].values())
        hinted = body_of(worker.run(Job(Kind.SIZE, url, duration_hint=100.0)))
        assert (hinted["live"], hinted["duration"]) == (True, 100)
        assert any(hinted["bytes"].values())


def test_a_live_stream_is_chosen_in_one_piece(worker: LoneWorker) -> None:
    live = extract(worker, f"{SITE}/live.m3u8")
    assert live["is_live"]
    assert [item.get("height") for item in live["formats"]] == [None, 360, 1080]
    assert live["format_id"] == "800", "though the largest picture is in another variant, without sound"


def test_a_list_has_no_size(worker: LoneWorker) -> None:
    outcome = worker.run(Job(Kind.SIZE, f"{SITE}/feed.xml"))
    assert isinstance(outcome, Failure)
    assert outcome.code is Code.IS_A_LIST
    assert "a list of 5" in outcome.message
    assert outcome.about == {"title": "The five episodes", "playlistCount": 5}


def test_a_result_over_the_bound(settings: WorkerSettings) -> None:
    with LoneWorker.spawn(replace(settings, max_result=10_000)) as small:
        assert failure(small, VIDEO).code is Code.RESULT_TOO_LARGE
        assert extract(small, VIDEO, fields=("title",))["title"]


FAILURES: dict[str, Code] = (
    {
        f"{WATCH}{scene:_<11}": code
        for scene, code in {
            "private": Code.PRIVATE,
            "removed": Code.REMOVED,
            "terminated": Code.REMOVED,
            "missing": Code.NOT_FOUND,
            "agegate": Code.AGE_RESTRICTED,
            "geoblock": Code.GEO_RESTRICTED,
            "botcheck": Code.BOT_CHECK,
            "captcha": Code.BOT_CHECK,
            "ratelimit": Code.RATE_LIMITED,
            "members": Code.PAID,
            "paid": Code.PAID,
            "upcoming": Code.UPCOMING,
            "drm": Code.DRM,
            "sabr": Code.NO_MEDIA,
            "http403": Code.FORBIDDEN,
            "http404": Code.NOT_FOUND,
            "http429": Code.RATE_LIMITED,
            "http500": Code.UPSTREAM_ERROR,
            "resets": Code.UPSTREAM_NETWORK,
            "truncates": Code.UPSTREAM_NETWORK,
            "garbles": Code.EXTRACTOR_BROKEN,
        }.items()
    }
    | {
        f"https://fail.example/{how}": code
        for how, code in {
            "401": Code.LOGIN_REQUIRED,
            "402": Code.PAID,
            "403": Code.FORBIDDEN,
            "404": Code.NOT_FOUND,
            "405": Code.UPSTREAM_ERROR,
            "406": Code.UPSTREAM_ERROR,
            "409": Code.UPSTREAM_ERROR,
            "410": Code.REMOVED,
            "412": Code.BOT_CHECK,
            "418": Code.BOT_CHECK,
            "420": Code.RATE_LIMITED,
            "423": Code.UPSTREAM_ERROR,
            "425": Code.UPSTREAM_ERROR,
            "430": Code.RATE_LIMITED,
            "444": Code.UPSTREAM_ERROR,
            "499": Code.UPSTREAM_ERROR,
            "429": Code.RATE_LIMITED,
            "451": Code.GEO_RESTRICTED,
            "500": Code.UPSTREAM_ERROR,
            "503": Code.UPSTREAM_ERROR,
            "cloudflare": Code.BOT_CHECK,
            "reset": Code.UPSTREAM_NETWORK,
            "truncated": Code.UPSTREAM_NETWORK,
            "broken-http": Code.UPSTREAM_NETWORK,
            "empty": Code.NO_MEDIA,
            "garbage": Code.NO_MEDIA,
            "json-error": Code.NO_MEDIA,
            "huge": Code.BUDGET_EXCEEDED,
            "enormous": Code.BUDGET_EXCEEDED,
            "manifests": Code.BUDGET_EXCEEDED,
            "refresh-chain": Code.BUDGET_EXCEEDED,
            "redirect-self": Code.UPSTREAM_ERROR,
            "redirect-loopback": Code.BLOCKED_TARGET,
            "redirect-localhost": Code.BLOCKED_TARGET,
            "redirect-tls": Code.BLOCKED_TARGET,
            "redirect-decimal": Code.BLOCKED_TARGET,
            "redirect-hex": Code.BLOCKED_TARGET,
            "redirect-octal": Code.BLOCKED_TARGET,
            "redirect-short": Code.BLOCKED_TARGET,
            "redirect-ipv6": Code.BLOCKED_TARGET,
            "redirect-mapped": Code.BLOCKED_TARGET,
            "redirect-metadata": Code.BLOCKED_TARGET,
            "redirect-file": Code.BLOCKED_TARGET,
            "redirect-ftp": Code.BLOCKED_TARGET,
            "refresh-loopback": Code.BLOCKED_TARGET,
            "refresh-file": Code.BLOCKED_TARGET,
            "hls-private": Code.BLOCKED_TARGET,
            "dash-private": Code.BLOCKED_TARGET,
            "rss-private": Code.BLOCKED_TARGET,
            "video-private": Code.BLOCKED_TARGET,
        }.items()
    }
    | {
        "https://www.bilibili.com/video/BV1xx411c7mD": Code.BOT_CHECK,
        "https://space.bilibili.com/352/video": Code.BOT_CHECK,
        "https://space.bilibili.com/412/video": Code.BOT_CHECK,
        "https://www.dailymotion.com/video/xmissing": Code.NOT_FOUND,
        "https://www.dailymotion.com/video/xgeoblock": Code.GEO_RESTRICTED,
        "https://www.dailymotion.com/video/xprivate": Code.PRIVATE,
        "https://www.dailymotion.com/video/xbroken": Code.UPSTREAM_ERROR,
        "https://unresolved.fail-1.example/": Code.UPSTREAM_NETWORK,
        "https://bad-cert.fail-1.example/": Code.UPSTREAM_NETWORK,
        "https://proxy-auth.fail-1.example/": Code.BLOCKED_TARGET,  # the proxy lives
        f"{SITE}/empty": Code.UNSUPPORTED_URL,
        f"{SITE}/text": Code.NO_MEDIA,
        "http://127.0.0.1:80/": Code.BLOCKED_TARGET,
        "http://metadata.google.internal/": Code.BLOCKED_TARGET,
        "ytsearch:anything": Code.INVALID_URL,
        "dQw4w9WgXcQ": Code.INVALID_URL,
        "file:///etc/passwd": Code.INVALID_URL,
        f"{SITE}/html5#__youtubedl_smuggle=%7B%7D": Code.INVALID_URL,
        "http://[": Code.INVALID_URL,
    }
)


@pytest.mark.parametrize("url", FAILURES)
def test_each_failure_has_its_code(url: str, worker: LoneWorker, internet: Internet) -> None:
    found = failure(worker, url)
    assert found.code is FAILURES[url], found
    assert internet.counters().private_hits == 0
    for leaked in ("://", "Error(", "/root", "Use --", "127.0.0.1"):
        assert leaked not in found.message
    if url.startswith("https://fail.example/"):
        assert found.generic
        assert found.extractor == "Generic"


def test_of_many_places_only_the_public_ones_are_named(worker: LoneWorker, internet: Internet) -> None:
    found = extract(worker, "https://fail.example/many-places")
    assert [item["url"] for item in found["formats"]] == ["https://fail.example/public.mp4"]
    assert (found["url"], found["partial"]) == ("https://fail.example/public.mp4", True)
    named = json.dumps({**found, "description": None})
    for place in ("file:", "ws:", "rtmp:", "javascript:", "data:", "10.0.0.1", "127.0.0.1", "router.local"):
        assert place not in named
    assert internet.counters().private_hits == 0


def test_a_page_that_only_burns_cpu_costs_its_budget(settings: WorkerSettings) -> None:
    with LoneWorker.spawn(settings, cpu=1.0) as thrifty:
        bomb = failure(thrifty, "https://fail.example/regex-bomb")
        assert bomb.code is Code.BUDGET_EXCEEDED
        assert bomb.usage.cpu < 3
        for _ in range(2):
            assert extract(thrifty, f"{SITE}/html5")["id"], "each job has a budget of its own"


def test_of_a_body_of_300_mb_no_more_than_the_budget_is_read(worker: LoneWorker, internet: Internet) -> None:
    before = internet.counters().bytes_sent
    assert failure(worker, "https://fail.example/enormous").code is Code.BUDGET_EXCEEDED
    eventually(lambda: internet.counters().open_requests == 0)
    assert MAX_BYTES <= internet.counters().bytes_sent - before < 2 * MAX_BYTES


def test_timeouts(worker: LoneWorker) -> None:
    outcome = worker.run(Job(Kind.EXTRACT, "https://fail.example/hang"), timeout=0.5)
    assert isinstance(outcome, Failure)
    assert outcome.code is Code.UPSTREAM_TIMEOUT
    assert outcome.usage.cpu < outcome.usage.wall / 2, "it was waiting for the site"


def test_how_long_a_site_asks_to_wait(worker: LoneWorker) -> None:
    assert failure(worker, "https://fail.example/429-after").retry_after == 7.0
    assert failure(worker, f"{WATCH}http429a___").retry_after == 7.0
    assert failure(worker, "https://fail.example/429").retry_after is None


def test_a_dead_proxy(settings: WorkerSettings) -> None:
    with LoneWorker.spawn(replace(settings, proxy="http://127.0.0.1:9")) as cut_off:
        assert failure(cut_off, f"{SITE}/html5").code is Code.PROXY


def test_without_a_proxy_the_address_really_connected_to_is_judged(internet: Internet) -> None:
    """The small internet is on loopback, which only the exception in the settings allows."""
    origin = f"http://127.0.0.1:{internet.port}/_control/counters"
    with LoneWorker.spawn(WorkerSettings()) as direct:
        assert failure(direct, origin).code is Code.BLOCKED_TARGET
        assert failure(direct, "http://nowhere.invalid/").code is Code.DNS
    with LoneWorker.spawn(WorkerSettings(egress_allow=(f"127.0.0.1:{internet.port}",))) as trusted:
        assert trusted.run(Job(Kind.EXTRACT, origin)).usage.requests > 0


def test_plugins_come_from_the_named_directory_only(settings: WorkerSettings, tmp_path: Path) -> None:
    """As with --plugin-dirs: packages in the directory, each with a yt_dlp_plugins inside."""
    plugins = install_plugin(
        tmp_path,
        "from yt_dlp.extractor.common import InfoExtractor\n"
        "class PluggedIE(InfoExtractor):\n"
        "    _VALID_URL = r'https?://plugged[.]example/(?P<id>.+)'\n"
        "    def _real_extract(self, url):\n"
        "        return {'id': self._match_id(url), 'title': 'Plugged', 'url': 'https://plugged.example/x.mp4'}\n",
    )
    with LoneWorker.spawn(replace(settings, plugin_dir=str(plugins))) as plugged:
        assert extract(plugged, "https://plugged.example/one")["extractor_key"] == "Plugged"
        assert extract(plugged, f"{SITE}/html5")["id"]


def test_what_a_job_cost(worker: LoneWorker) -> None:
    usage = worker.run(Job(Kind.EXTRACT, f"{SITE}/redirect")).usage
    assert usage.requests == len(usage.statuses) > 1
    assert usage.statuses[0] == 302
    assert usage.cpu > 0
    assert usage.wall > 0


def test_cookies_reach_their_site_and_nothing_else(worker: LoneWorker) -> None:
    cookies = "# Netscape HTTP Cookie File\n.video.example\tTRUE\t/\tFALSE\t0\tsession\ts3cr3t\n"
    mine = extract(worker, f"{SITE}/cookies", cookies=cookies)
    assert "session=s3cr3t" in mine["title"]
    assert "s3cr3t" not in json.dumps({**mine, "title": "", "fulltitle": ""})
    elsewhere = extract(worker, "https://other.example/cookies", cookies=cookies)
    assert "s3cr3t" not in json.dumps(elsewhere)
    after = extract(worker, f"{SITE}/cookies")
    assert "cookies: none" in after["title"], (
        "neither the caller's cookie nor the site's own outlives the job"
    )


@pytest.mark.parametrize("cookies", ['[{"name": "x"}]', "a b c", "a\tb", ".x\tTRUE\t/\tFALSE\tsoon\ta\tb"])
def test_cookies_of_another_format(cookies: str, worker: LoneWorker) -> None:
    assert failure(worker, f"{SITE}/cookies", cookies=cookies).code is Code.INVALID_REQUEST


def test_credentials_in_the_url_do_not_come_back(worker: LoneWorker) -> None:
    found = json.dumps(extract(worker, "https://user:s3cr3t@video.example/video.mp4"))
    assert "s3cr3t" not in found
    assert "user:" not in found
    outcome = worker.run(Job(Kind.SIZE, "https://user:s3cr3t@html5.example/"))
    assert isinstance(outcome, Success)
    assert json.loads(outcome.body)["thumbnail"] == "https://html5.example/poster.jpg"


def test_a_worker_keeps_no_connection_no_child_and_no_memory(worker: LoneWorker) -> None:
    process = psutil.Process(worker.process.pid)
    for _ in range(3):
        extract(worker, f"{WATCH}challenge__")
    before = process.memory_info().rss
    for _ in range(30):
        extract(worker, f"{SITE}/html5")
    extract(worker, f"{WATCH}challenge__")
    assert process.memory_info().rss - before < 20 << 20
    assert process.children() == []
    # The last garbage is collected, and connections with it, once the answer is out.
    eventually(lambda: not [c for c in process.net_connections("inet") if c.status != psutil.CONN_CLOSE_WAIT])
    assert process.num_threads() == 1


def test_the_runtime_starts_with_nothing_and_dies_with_its_worker(tmp_path: Path) -> None:
    script = """
import os, pathlib, subprocess, sys
from service.worker import runtime
secret = pathlib.Path(sys.argv[1]) / "secret"
secret.write_text("s3cr3t")
os.environ["SECRET"] = "s3cr3t"
deno = runtime.find().info.path
source = '''
const tried = [];
for (const attempt of [() => Deno.readTextFileSync("%s"), () => Deno.env.get("SECRET"),
    () => fetch("http://127.0.0.1:8080/"), () => new Deno.Command("/bin/true").outputSync()]) {
  try { await attempt(); tried.push("done"); } catch (error) { tried.push(error.name); }
}
console.log(tried.join());
''' % secret
options = [deno, "run", "--ext=js", "--no-prompt", "-"]
pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
with runtime.Child(options, text=True, env={"SECRET": "x"}, **pipes) as child:
    print(child.communicate(source)[0].strip(), flush=True)
sleeper = runtime.Child([deno, "run", "--no-prompt", "-"], stdin=subprocess.PIPE)
print(pathlib.Path(f"/proc/{sleeper.pid}/environ").read_bytes().decode(), flush=True)
print(sleeper.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    environment = {"DENO_DIR": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": os.getcwd()}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    tried, variables, pid = done.stdout.splitlines()
    assert tried == "NotCapable,NotCapable,NotCapable,NotCapable"
    names = {pair.partition("=")[0] for pair in variables.split("\0") if pair}
    assert names == {"DENO_DIR", "NO_COLOR", "DENO_NO_UPDATE_CHECK"}
    eventually(lambda: gone(int(pid)))
