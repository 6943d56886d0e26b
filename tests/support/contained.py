"""Runs a command as a container engine would with the options in deploy/: a read-only root, an empty
/tmp, an unprivileged user without capabilities. The caller makes it PID 1:

    unshare --mount --pid --fork --kill-child --mount-proc \
        python -I tests/support/contained.py PATH… -- COMMAND…

Each PATH stays readable at its place, even below /tmp or below a directory that is closed to other users.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

USER = "10001"
TMPFS = "size=256m,mode=1777,noexec,nosuid,nodev"
STASH = Path("/mnt")
PROVIDED = ("/proc", "/dev", "/sys")


def main() -> None:
    split = sys.argv.index("--")
    kept, command = [Path(path) for path in sys.argv[1:split]], sys.argv[split + 1 :]
    mount("-t", "tmpfs", "tmpfs", str(STASH))
    for number, path in enumerate(kept):
        place(path, STASH / str(number))
    closed = {directory for path in kept if (directory := closed_above(path)) is not None}
    mount("-t", "tmpfs", "-o", TMPFS, "tmpfs", "/tmp")
    for directory in closed:
        if directory.is_dir():  # not below /tmp
            mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(directory))
    for number, path in enumerate(kept):
        if not path.exists():
            place(STASH / str(number), path)
    for target in sorted(writable()):
        mount("-o", "remount,bind,ro", target)
    os.chdir("/tmp")
    drop = ("--reuid", USER, "--regid", USER, "--clear-groups", "--no-new-privs", "--bounding-set=-all")
    os.execvp("setpriv", ("setpriv", *drop, "--inh-caps=-all", "--ambient-caps=-all", *command))


def mount(*arguments: str) -> None:
    subprocess.run(("mount", *arguments), check=True)


def place(source: Path, target: Path) -> None:
    """Make `source` appear at `target`."""
    if source.is_dir():
        target.mkdir(parents=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount("--bind", str(source), str(target))


def closed_above(path: Path) -> Path | None:
    """The first parent directory of `path` that other users may not enter."""
    above = reversed(path.parents)
    return next((directory for directory in above if not directory.stat().st_mode & 0o001), None)


def writable() -> set[str]:
    """The writable mount points, without the kernel's own file systems and /tmp."""
    found = set()
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, target, _, options, *_ = line.split()
        provided = target.startswith(PROVIDED) or target == "/tmp"
        if "rw" in options.split(",") and not provided and os.path.ismount(target):
            found.add(target)
    return found


if __name__ == "__main__":
    main()
