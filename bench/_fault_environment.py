"""The environment of the chaos run: a small disk, a user whose forks can be refused, a clock that jumps.

The disk is a tmpfs in a mount namespace. RLIMIT_NPROC does not bind root, so root runs the service as another
user, who may still read what root can: the interpreter may be in root's home. The clock is a `time.time` of
the service's own processes: a time namespace moves the monotonic clocks only, and the machine's clock belongs
to all its processes. What the machine does not allow is left out.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.running_service import works

_NOBODY = "65534"
_READER = "-all,+dac_read_search"
_USER = (
    "setpriv",
    f"--reuid={_NOBODY}",
    f"--regid={_NOBODY}",
    "--clear-groups",
    f"--inh-caps={_READER}",
    f"--ambient-caps={_READER}",
    f"--bounding-set={_READER}",
)

# Every Python process of the service imports it first.
_CLOCK = """
import os, time
told = time.time
def jumping():
    try:
        with open({file!r}) as file:
            return told() + float(file.read() or 0)
    except OSError:
        return told()
time.time = jumping
time.time_ns = lambda: int(jumping() * 1e9)
"""


def jumping_clock(folder: Path) -> Path:
    """A folder for PYTHONPATH: the wall clock is off by the seconds that are in the file `offset` there."""
    home = folder / "clock"
    home.mkdir()
    (home / "sitecustomize.py").write_text(_CLOCK.format(file=str(home / "offset")))
    return home


@dataclass(frozen=True)
class FaultEnvironment:
    """The environment that a service runs in, and the ways to break it.

    Attributes:
        scratch: its TMPDIR.
        clock: a folder for its PYTHONPATH, see `jumping_clock`.
        mounted: whether `scratch` is a small file system of its own.
        user: the command that changes from root to the user of the service; empty without root.
        bound: whether RLIMIT_NPROC binds the service.
    """

    scratch: Path
    clock: Path
    mounted: bool
    user: tuple[str, ...]
    bound: bool

    @classmethod
    def prepare(cls, folder: Path) -> FaultEnvironment:
        """The environment, as far as this machine allows it."""
        scratch = folder / "scratch"
        scratch.mkdir()
        scratch.chmod(0o1777)
        clock = jumping_clock(folder)
        user = _USER if os.geteuid() == 0 and works(_USER) else ()
        mounted = works(_small_disk(scratch))
        return cls(scratch, clock, mounted, user, bool(user) or os.geteuid() != 0)

    @property
    def prefix(self) -> tuple[str, ...]:
        """The command that runs another one here."""
        return (*(_small_disk(self.scratch) if self.mounted else ()), *self.user)

    def disk(self, pid: int) -> Path:
        """`scratch` as the service, whose process is `pid`, sees it."""
        return Path(f"/proc/{pid}/root{self.scratch}") if self.mounted else self.scratch

    def turn_clock(self, seconds: float) -> None:
        """Let the service's wall clock be off by `seconds`."""
        (self.clock / "offset").write_text(str(seconds))

    @contextlib.contextmanager
    def no_forks(self, pid: int) -> Iterator[None]:
        """Let the kernel refuse `pid` further processes meanwhile."""
        # Asked for as its user: a root without CAP_SYS_RESOURCE may not set another user's limits.
        limits = (*self.user, "prlimit", f"--pid={pid}")
        shown = [*limits, "--nproc", "--output=SOFT", "--noheadings"]
        before = subprocess.run(shown, check=True, capture_output=True, text=True).stdout.strip()
        subprocess.run([*limits, "--nproc=1:"], check=True)
        try:
            yield
        finally:
            # Not checked: it may have ended meanwhile.
            subprocess.run([*limits, f"--nproc={before}:"], check=False, stderr=subprocess.DEVNULL)


def _small_disk(scratch: Path) -> tuple[str, ...]:
    """A command that gives another one a small file system at `scratch`."""
    root = () if os.geteuid() == 0 else ("--map-root-user",)
    mount = f'mount -t tmpfs -o size=4m,mode=1777 tmpfs {scratch} && exec "$@"'
    return ("unshare", *root, "--mount", "sh", "-c", mount, "sh")
