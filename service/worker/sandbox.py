"""The sandbox of a worker: the files and ports it may use, enforced by Landlock."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..template_wire import WorkerSettings
from . import egress, landlock

# Files for name resolution, for loading programs, and for time zones.
_SYSTEM = """
    /etc/resolv.conf /etc/hosts /etc/host.conf /etc/nsswitch.conf /etc/gai.conf /etc/services /etc/protocols
    /etc/ssl /etc/pki /etc/ca-certificates /etc/ld.so.cache /etc/ld.so.conf /etc/ld.so.conf.d
    /etc/mime.types /etc/localtime /etc/timezone /usr/share/zoneinfo /usr/lib /usr/lib32 /usr/lib64
    /usr/local/lib /lib /lib64 /run/systemd/resolve /dev/random /dev/urandom
"""
_PACKAGE = Path(__file__).parents[1]


def enter_sandbox(settings: WorkerSettings, runtime: str) -> None:
    """Restrict this process and its children permanently to what extraction needs.

    Args:
        runtime: the JavaScript runtime's path.

    Raises:
        OSError: the kernel offers Landlock but refuses the rules.
    """
    landlock.restrict(policy(settings, runtime))


def layers(settings: WorkerSettings) -> tuple[str, ...]:
    """The layers that `enter_sandbox` and the audit hook enforce here, in words."""
    return ("urls", "audit hook", *landlock.layers(egress.ports(settings)))


def policy(settings: WorkerSettings, runtime: str) -> landlock.Policy:
    """Read access to the interpreter, its packages and system files; write access to the scratch folder."""
    packages = {str(_PACKAGE) if Path(entry) == _PACKAGE.parent else entry for entry in sys.path if entry}
    ours = (sys.prefix, sys.base_prefix, str(_PACKAGE), runtime, os.path.realpath(runtime))
    named = (settings.ca_file, settings.plugin_dir)
    read = {*_SYSTEM.split(), *packages, *ours, *(path for path in named if path is not None)}
    write = {os.devnull, *(os.environ[name] for name in ("TMPDIR",) if name in os.environ)}
    return landlock.Policy(frozenset(read), frozenset(write), egress.ports(settings), settings.sources)
