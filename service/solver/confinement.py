"""Entry point of a process of the solver: gives up all that it may, and becomes deno.

    python -S -P -m service.solver.confinement PARENT DENO MODE

It talks on its standard input and output, one socket. What is left to it: reading the runtime, its libraries
and its program. No network, no writing, no environment, bounded memory and CPU.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from pathlib import Path

from ..worker import landlock
from ..worker.template import NICENESS, OOM_SCORE, die_with_parent, limit

PROGRAM = Path(__file__).with_name("solver.js")
HEAP_MB = 384  # taking a script of 2.6 MB apart uses 200
MEMORY = 1 << 30  # bytes of private memory, of which V8 reserves much that it never touches
CPU = (
    120  # seconds; a script takes 2 and each challenge half a thousandth, so it is a new process now and then
)

_LIBRARIES = """
    /usr/lib /usr/lib32 /usr/lib64 /usr/local/lib /lib /lib64 /etc/ld.so.cache /dev/urandom
"""


def enter(parent: int, deno: str) -> None:
    """Leave this process nothing but what deno needs to compute, for good."""
    die_with_parent()
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)
    os.chdir("/")
    os.nice(NICENESS)  # as a group it weighs more than the workers, who wait for it
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    for what, bound in (
        (resource.RLIMIT_DATA, MEMORY),
        (resource.RLIMIT_CPU, CPU),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        limit(what, bound)
    read = {deno, os.path.realpath(deno), str(PROGRAM), *_LIBRARIES.split()}
    landlock.restrict(landlock.Policy(frozenset(read), frozenset((os.devnull,)), frozenset()))


def main() -> None:
    parent, deno, mode = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    enter(parent, deno)
    options = "--no-prompt --no-remote --no-npm --no-config --no-lock --no-code-cache --cached-only"
    flags = f"--v8-flags=--max-old-space-size={HEAP_MB}"
    if mode == "evaluate":
        flags += ",--optimize-for-size"  # it stays; taking apart would take half as long again
    # Not a folder, so that deno keeps nothing.
    environment = {"DENO_DIR": os.devnull, "NO_COLOR": "1", "DENO_NO_UPDATE_CHECK": "1"}
    os.execve(deno, [deno, "run", *options.split(), flags, str(PROGRAM), mode], environment)  # noqa: S606 - becoming another program is the point


if __name__ == "__main__":
    main()
