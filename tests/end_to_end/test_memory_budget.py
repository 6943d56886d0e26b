"""End-to-end: pages that make a worker want more memory than it may have, beside ordinary jobs.

The pages' extractors are plugins, and each allocates in its own way: in Python, in a library, in the runtime.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.internet import Internet
from tests.support.plugins import install_plugin
from tests.support.running_service import Service, eventually

PLUGIN = '''
import ctypes, subprocess
from yt_dlp.extractor.common import InfoExtractor

class GreedyIE(InfoExtractor):
    _VALID_URL = r"https?://greedy[.]example/(?P<id>[a-z]+)"
    _kept = []

    def _real_extract(self, url):
        how = self._match_id(url)
        answer = getattr(self, "_" + how)(self._download_webpage(url, "page"))
        return {"id": how, "title": str(answer), "url": "https://greedy.example/v.mp4", "ext": "mp4"}

    def _modest(self, page):
        return len(bytearray(64 << 20))

    def _json(self, page):
        """Three bytes of a page become some seventy of ours."""
        return len(self._parse_json("[" + "{}," * 8_000_000 + "{}]", "bomb"))

    def _characters(self, page):
        return len(page * (1 << 20))

    def _keep(self, page):
        """As a careless cache would."""
        while True:
            self._kept.append(bytearray(1 << 20))

    def _native(self, page):
        """A library that does not look at what malloc answers."""
        libc = ctypes.CDLL(None)
        libc.malloc.restype = ctypes.c_void_p
        while True:
            ctypes.memset(libc.malloc(1 << 20), 1, 1 << 20)

    def _runtime(self, page):
        from service.worker import runtime
        command = [runtime.find().info.path, "run", "--ext=js", "--no-prompt", "-"]
        with runtime.Child(command, text=True, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
            child.communicate("const kept = []; for (;;) kept.push(new Uint8Array(1 << 20).fill(1));")
            return "ended with %d" % child.returncode
'''

WORKERS, MEMORY = 2, 256


@pytest.fixture(scope="module")
def service(internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    plugins = install_plugin(tmp_path_factory.mktemp("plugins"), PLUGIN)
    settings = {"PLUGIN_DIR": plugins, "SCALING": f"fixed:{WORKERS}", "WORKER_MEMORY_MB": MEMORY}
    with Service.run(internet, settings={**settings, "CACHE_MAX_BYTES": 0}) as running:
        yield running


def ask(service: Service, how: str, number: int = 0) -> tuple[int, str]:
    """The status, and the title or the code."""
    answer = service.extract(f"https://greedy.example/{how}?{number}")
    return answer.status_code, answer.json().get("title") or answer.json()["code"]


@pytest.mark.parametrize(
    ("how", "end"),
    [
        ("json", (502, "BUDGET_EXCEEDED")),
        ("characters", (502, "BUDGET_EXCEEDED")),
        ("keep", (502, "BUDGET_EXCEEDED")),
        ("native", (500, "WORKER_CRASHED")),
    ],
)
def test_a_job_that_wants_too_much_ends_alone(
    service: Service, internet: Internet, how: str, end: tuple[int, str]
) -> None:
    internet.set_latency("html5.example", 1.0)
    try:
        with ThreadPoolExecutor() as threads:
            other = threads.submit(service.extract, f"https://html5.example/?beside-{how}")
            assert ask(service, how) == end
            assert other.result().status_code == 200
    finally:
        internet.set_latency("html5.example", 0)
    # Every worker has its full memory again.
    with ThreadPoolExecutor(WORKERS) as threads:
        answers = list(threads.map(lambda number: ask(service, "modest", number), range(4 * WORKERS)))
    assert set(answers) == {(200, str(64 << 20))}
    eventually(lambda: service.pool()["idleWorkers"] == WORKERS)


def test_the_runtime_has_no_more_than_its_worker(service: Service) -> None:
    """An option bounds its heap, but not its memory beside the heap."""
    status, title = ask(service, "runtime")
    assert status == 200
    assert title.startswith("ended with -")  # by a signal
    assert ask(service, "modest")[0] == 200
