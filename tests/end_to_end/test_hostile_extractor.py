"""End-to-end: an extractor turned against its own service, in real workers, and two tenants who share them.

The extractor is a plugin, so it runs whatever Python it likes in a worker, as one exploited by a page would.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from service.worker import landlock
from tests.internet import Internet
from tests.support.plugins import install_plugin
from tests.support.running_service import Service, eventually

PLUGIN = '''
import ctypes, json, os, pathlib, signal, socket, subprocess, tempfile, urllib.parse
from yt_dlp.extractor.common import InfoExtractor

class TenantIE(InfoExtractor):
    """Keeps what it learns where a careless extractor would: on its class, and in files."""
    _VALID_URL = r"https?://tenant[.]example/(?P<id>[^?]+)"
    _seen = []

    def _real_extract(self, url):
        kind = self._match_id(url)
        cookies = self._get_cookies(url)
        if "session" in cookies:
            type(self)._seen.append(cookies["session"].value)
            pathlib.Path(tempfile.gettempdir(), cookies["session"].value).touch()
            os.environ["SEEN"] = cookies["session"].value
        if kind == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "raise":
            raise RuntimeError("the cookie was " + cookies["session"].value)
        files = set(os.listdir(tempfile.gettempdir())) - {"deno"}
        seen = [*self._seen, *files, os.environ.get("SEEN", "")]
        return {"id": "t", "title": json.dumps(seen), "url": "https://tenant.example/v.mp4", "ext": "mp4"}

class AttackIE(InfoExtractor):
    _VALID_URL = r"https?://attack[.]example/(?P<id>\\w+)[?](?P<what>.*)"

    def _real_extract(self, url):
        how, what = self._match_valid_url(url).group("id", "what")
        what = urllib.parse.unquote(what)
        try:
            answer = getattr(self, "_" + how)(what)
        except Exception as error:
            answer = type(error).__name__
        return {"id": "a", "title": str(answer), "url": "https://attack.example/v.mp4", "ext": "mp4"}

    def _read(self, path):
        with open(path, "rb") as file:
            return "read %d" % len(file.read(9))

    def _list(self, path):
        return "listed %d" % len(os.listdir(path))

    def _write(self, path):
        pathlib.Path(path).write_text("x")
        return "written"

    def _signal(self, pid):
        os.kill(int(pid), 0)
        return "signalled"

    def _natively(self, port):
        """Past the audit hook: a native library's own connect."""
        libc = ctypes.CDLL(None, use_errno=True)
        fd = libc.socket(2, 1, 0)
        address = bytes((2, 0)) + int(port).to_bytes(2, "big") + bytes((127, 0, 0, 1)) + bytes(8)
        if libc.connect(fd, address, 16) != 0:
            raise OSError(ctypes.get_errno(), "connect")
        return "connected"

    def _library(self, port):
        """Likewise, with the library that passes for browsers."""
        from curl_cffi import Curl, CurlError, CurlOpt
        curl = Curl()
        curl.setopt(CurlOpt.URL, "http://127.0.0.1:" + port)
        curl.setopt(CurlOpt.CONNECT_ONLY, 1)
        try:
            curl.perform()
        except CurlError as error:
            return "refused" if error.code == 7 else "connected"
        return "connected"

    def _connect(self, port):
        socket.create_connection(("127.0.0.1", int(port)), 1)
        return "connected"

    def _datagram(self, port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            return "sent %d" % sender.sendto(b"x", ("127.0.0.1", int(port)))

    def _listen(self, port):
        socket.create_server(("127.0.0.1", int(port)))
        return "listening"

    def _bind_natively(self, port):
        libc = ctypes.CDLL(None, use_errno=True)
        fd = libc.socket(2, 1, 0)
        address = bytes((2, 0)) + int(port).to_bytes(2, "big") + bytes((127, 0, 0, 1)) + bytes(8)
        if libc.bind(fd, address, 16) != 0:
            raise OSError(ctypes.get_errno(), "bind")
        return "bound"

    def _spawn(self, program):
        return "started %d" % subprocess.run([program]).returncode

    def _fork(self, _):
        return "forked %d" % os.fork()

    def _runtime(self, source, *options):
        from service.worker import runtime
        command = [runtime.find().info.path, "run", "--ext=js", "--no-prompt", *options, "-"]
        with runtime.Child(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            return child.communicate(source)[0].strip()

    def _runtime_with_udp(self, source):
        return self._runtime(source, "--unstable-net")
'''

needs_landlock = pytest.mark.skipif(landlock.version() < 6, reason="the kernel's Landlock has no such layer")


@pytest.fixture(scope="module", params=["", "chrome"], ids=["requests", "curl"])
def service(
    request: pytest.FixtureRequest, internet: Internet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    plugins = install_plugin(tmp_path_factory.mktemp("plugins"), PLUGIN)
    settings = {"PLUGIN_DIR": plugins, "SCALING": "fixed:2", "YTDLP_TIMEOUT": 10_000, "CACHE_MAX_BYTES": 0}
    settings["YTDLP"] = json.dumps({"impersonate": request.param})
    with Service.run(internet, settings=settings) as running:
        yield running


def attack(service: Service, how: str, what: object = "x") -> str:
    """The extractor's report of its attempt, or the code of its job."""
    answer = service.extract(f"https://attack.example/{how}?{quote(str(what))}").json()
    return str(answer["title"] if answer["ok"] else answer["code"])


def test_a_start_up_line_says_which_layers_are_active(service: Service) -> None:
    (line,) = service.events("EgressLayers")
    assert line["layers"][:2] == ["urls", "audit hook"]
    assert ("landlock files" in line["layers"]) == (landlock.version() >= 1)


@needs_landlock
@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/etc/shadow",
        "/proc/self/environ",
        "/proc/1/environ",
        __file__,
        os.path.expanduser("~"),
    ],
)
def test_a_worker_reads_nothing_but_its_own(service: Service, path: str) -> None:
    how = "list" if Path(path).is_dir() else "read"
    assert attack(service, how, path) == "PermissionError"


@needs_landlock
def test_a_worker_reads_nothing_of_its_server(service: Service) -> None:
    for name in ("environ", "maps", "mem", "cwd/pyproject.toml"):
        assert attack(service, "read", f"/proc/{service.process.pid}/{name}") == "PermissionError"


@needs_landlock
def test_a_worker_writes_only_to_its_scratch_folder(service: Service, tmp_path: Path) -> None:
    for path in (tmp_path / "x", "/tmp/x", "/var/tmp/x", "/dev/shm/x", Path(landlock.__file__)):
        assert attack(service, "write", path) == "PermissionError"
    assert attack(service, "write", "own") == "written"  # its working directory is its scratch folder


@needs_landlock
def test_a_worker_cannot_signal_other_processes(service: Service) -> None:
    family = [service.process.pid, service.process.pid, *(process.pid for process in service.family()[:1])]
    for pid in (*family, os.getpid()):
        assert attack(service, "signal", pid) == "PermissionError"


def test_a_worker_connects_starts_and_forks_nothing(service: Service, internet: Internet) -> None:
    for how, what in (("connect", 22), ("connect", internet.port + 1), ("spawn", "/bin/true"), ("fork", "")):
        assert attack(service, how, what) == "BLOCKED_TARGET"
    assert attack(service, "runtime", "console.log(1 + 1)") == "2"


def test_a_worker_sends_no_datagram(service: Service, internet: Internet) -> None:
    """Nor does its runtime; Landlock would not stop them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        port = listener.getsockname()[1]
        for target in (port, internet.port):  # the proxy's port is allowed for TCP only
            assert attack(service, "datagram", target) == "BLOCKED_TARGET"
        source = f"""try {{
            const socket = Deno.listenDatagram({{port: 0, transport: "udp"}});
            await socket.send(new Uint8Array(1), {{hostname: "127.0.0.1", port: {port}, transport: "udp"}});
            console.log("sent");
        }} catch (error) {{ console.log(error.name); }}"""
        assert attack(service, "runtime_with_udp", source) == "NotCapable"
        with pytest.raises(BlockingIOError):
            listener.recv(1)


@needs_landlock
def test_landlock_stops_access_that_bypasses_the_hook(service: Service, internet: Internet) -> None:
    """With a proxy, no code can reach any port but the proxy's, or listen."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        for target in (port, 22, 80, 443, 6379):
            assert attack(service, "natively", target) == "PermissionError"
            assert attack(service, "library", target) == "refused"
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert attack(service, "natively", internet.port) == "connected"
    assert attack(service, "library", internet.port) == "connected"
    assert attack(service, "bind_natively", 0) == "PermissionError"
    assert attack(service, "listen", 0) == "BLOCKED_TARGET", "the hook is first"


def test_the_runtime_owns_nothing(service: Service) -> None:
    tries = ", ".join(
        f"() => {attempt}"
        for attempt in (
            "fetch('http://127.0.0.1/')",
            "Deno.connect({port: 22})",
            "Deno.readTextFile('/etc/passwd')",
            "Deno.readDir('.').next()",
            "new Deno.Command('/bin/true').output()",
            "Deno.env.get('HOME')",
            "Deno.writeTextFile('x', 'x')",
            "import('https://site.example/x.js')",
            "import('npm:left-pad')",
        )
    )
    source = (
        f"const done = []; for (const attempt of [{tries}]) {{ try {{ await attempt(); done.push('done'); }}"
    )
    source += " catch (error) { done.push('denied'); } } console.log(done.join());"
    assert attack(service, "runtime", source) == ",".join(["denied"] * 9)
    if landlock.version():
        source = "try { await import('file:///etc/hostname'); } catch (error) { console.log(String(error)); }"
        assert "ermission denied" in attack(service, "runtime", source)


def cookies(value: str) -> str:
    line = "\t".join(("tenant.example", "FALSE", "/", "TRUE", "2147483647", "session", value))
    return f"# Netscape HTTP Cookie File\n{line}\n"


def seen(service: Service, value: str | None = None) -> list[str]:
    given = {"cookies": cookies(value)} if value else {}
    answer = service.extract("https://tenant.example/page", **given)
    assert answer.status_code == 200, answer.text
    found: list[str] = json.loads(answer.json()["title"])
    return found


def test_one_tenants_job_leaves_nothing_to_another(service: Service) -> None:
    """Class attributes, files and variables of a job with cookies end with its worker."""
    with ThreadPoolExecutor(6) as threads:
        tenants = [None if n % 3 == 0 else f"TENANT{n}" for n in range(30)]
        found = list(threads.map(lambda tenant: seen(service, tenant), tenants))
    for tenant, traces in zip(tenants, found, strict=True):
        assert set(traces) - {""} == ({tenant} if tenant else set())
    assert "TENANT" not in service.log


@pytest.mark.parametrize("end", ["crash", "raise"])
def test_also_after_a_crash(service: Service, end: str) -> None:
    answer = service.extract(f"https://tenant.example/{end}", cookies=cookies("CRASHED"))
    assert answer.json()["code"] == ("WORKER_CRASHED" if end == "crash" else "EXTRACTOR_BROKEN")
    assert "CRASHED" not in answer.text.replace("WORKER_CRASHED", "")
    for _ in range(6):
        assert set(seen(service)) == {""}
    assert set(seen(service, "NEXT")) == {"NEXT"}
    eventually(lambda: service.pool()["idleWorkers"] >= 2)
