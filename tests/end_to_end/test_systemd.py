"""End-to-end: deploy/ytdlpd.service is valid for systemd, and the service works under its restrictions."""

from __future__ import annotations

import ctypes
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from service.worker import landlock
from tests.internet import Internet
from tests.support import contained, system_calls
from tests.support.processes import alive
from tests.support.running_service import PATIENCE, ROOT, Service

UNIT = ROOT / "deploy" / "ytdlpd.service"
PROGRAM = "/opt/ytdlpd/bin/ytdlpd"
OFFLINE = 250  # the version of systemd that can check a file without running it
EXPOSURE = 1.5  # of 10, which is a service without any confinement

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (Debian: systemd)"
)


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("systemd-analyze", "--no-pager", *words), capture_output=True, text=True, timeout=PATIENCE
    )


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit with the path of this machine's program."""
    text = UNIT.read_text()
    assert text.count(PROGRAM) == 1
    path = tmp_path / UNIT.name
    path.write_text(text.replace(PROGRAM, str(Path(sys.executable).parent / "ytdlpd")))
    return path


def test_systemd_finds_nothing_wrong_with_it(installed: Path) -> None:
    done = analyze("verify", "--man=no", str(installed))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_is_confined(installed: Path) -> None:
    version = re.match(r"systemd (\d+)", analyze("--version").stdout)
    if version is None or int(version[1]) < OFFLINE:
        pytest.skip(f"systemd is older than {OFFLINE}: it judges loaded units alone")
    done = analyze("security", "--offline=yes", f"--threshold={EXPOSURE * 10:.0f}", str(installed))
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(
    os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("setpriv")),
    reason="needs root, unshare and setpriv, to make namespaces and to give up being root",
)
def test_the_service_works_under_the_restrictions_of_the_unit(internet: Internet, installed: Path) -> None:
    """As its own user, with only /tmp writable, and with only the unit's system calls."""
    try:
        ctypes.CDLL(system_calls.LIBRARY)
    except OSError:
        pytest.skip(f"{system_calls.LIBRARY} is not installed (Debian: libseccomp2)")
    lines = installed.read_text().splitlines()
    environment = dict(word.partition("=")[::2] for (word,) in system_calls.values(lines, "Environment"))
    (command,) = system_calls.values(lines, "ExecStart")
    kept = [ROOT, Path(sys.prefix), Path(sys.base_prefix), internet.ca_file, installed]
    unshare = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    python = (sys.executable, "-I")
    words = (
        *unshare,
        *(*python, contained.__file__, *(str(path.resolve()) for path in kept), "--"),
        *(*python, system_calls.__file__, str(installed.resolve()), "--"),
        *command,
    )
    # What Service.run appends, the command of a checkout, becomes the shell's unused arguments.
    prefix = ("sh", "-c", f"exec {shlex.join(words)}")
    settings = {**environment, "YTDLP_TIMEOUT": 20_000}
    with Service.run(internet, settings=settings, prefix=prefix) as service:
        family = service.family()
        (init,) = psutil.Process(service.process.pid).children()
        try:
            (layers,) = service.events("EgressLayers")
            assert {*landlock.layers(())} <= {*layers["layers"]}
            for url in ("https://youtu.be/challenge__", "https://html5.example/"):
                answer = service.extract(url)
                assert answer.status_code == 200, answer.text
        finally:
            init.send_signal(signal.SIGTERM)
            status = service.process.wait(PATIENCE)
        assert status == 0
        assert alive(family) == []
