"""What a worker may touch of the machine, and how its kernel is told."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..wire import WorkerSettings
from . import egress, landlock

# What names are resolved with, programs are loaded with, and times are told with.
_SYSTEM = """
    /etc/resolv.conf /etc/hosts /etc/host.conf /etc/nsswitch.conf /etc/gai.conf /etc/services /etc/protocols
    /etc/ssl /etc/pki /etc/ca-certificates /etc/ld.so.cache /etc/ld.so.conf /etc/ld.so.conf.d
    /etc/mime.types /etc/localtime /etc/timezone /usr/share/zoneinfo /usr/lib /usr/lib32 /usr/lib64
    /usr/local/lib /lib /lib64 /run/systemd/resolve /dev/random /dev/urandom
"""
_PACKAGE = Path(__file__).parents[1]


def enter_sandbox(settings: WorkerSettings, runtime: str) -> None:
    """Leave this process and its children nothing but what extraction needs, for good.

    Args:
        runtime: the JavaScript runtime's path.

    Raises:
        OSError: the kernel offers a fence but refuses to put it up.
    """
    landlock.restrict(policy(settings, runtime))


def layers(settings: WorkerSettings) -> tuple[str, ...]:
    """What `enter_sandbox` and the audit hook put in force here, in words."""
    return ("urls", "audit hook", *landlock.layers(egress.ports(settings)))


def policy(settings: WorkerSettings, runtime: str) -> landlock.Policy:
    """Reading: the interpreter, its packages and the system's own; writing: the worker's scratch folder."""
    packages = {str(_PACKAGE) if Path(entry) == _PACKAGE.parent else entry for entry in sys.path if entry}
    ours = (sys.prefix, sys.base_prefix, str(_PACKAGE), runtime, os.path.realpath(runtime))
    named = (settings.ca_file, settings.plugin_dir)
    read = {*_SYSTEM.split(), *packages, *ours, *(path for path in named if path is not None)}
    write = {os.devnull, *(os.environ[name] for name in ("TMPDIR",) if name in os.environ)}
    return landlock.Policy(frozenset(read), frozenset(write), egress.ports(settings))
