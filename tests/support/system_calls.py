"""Runs a command with only the system calls and socket families that a systemd unit allows, by libseccomp:

    python -I tests/support/system_calls.py UNIT -- COMMAND…

systemd itself can do this only as PID 1.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

LIBRARY = "libseccomp.so.2"

_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM
_EQUAL = 4


class _Comparison(ctypes.Structure):
    """libseccomp's scmp_arg_cmp."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def main() -> None:
    unit, separator, *command = sys.argv[1:]
    assert separator == "--"
    lines = Path(unit).read_text().splitlines()
    allowed = set(expanded("@default"))
    for words in values(lines, "SystemCallFilter"):
        negated = words[0].startswith("~")
        named = {name for word in words for name in expanded(word.removeprefix("~"))}
        allowed = allowed - named if negated else allowed | named
    (names,) = values(lines, "RestrictAddressFamilies")
    confine(allowed, [getattr(socket, name) for name in names])
    os.execvp(command[0], command)


def values(lines: list[str], name: str) -> list[list[str]]:
    """The words of each line `name=…`."""
    return [line.partition("=")[2].split() for line in lines if line.startswith(f"{name}=")]


def expanded(name: str) -> list[str]:
    """The system calls of one of systemd's groups, or the one of that name."""
    if not name.startswith("@"):
        return [name]
    listing = subprocess.run(
        ("systemd-analyze", "--no-pager", "syscall-filter", name), capture_output=True, text=True, check=True
    )
    members = [line.strip() for line in listing.stdout.splitlines() if line.startswith(" ")]
    return [call for member in members if not member.startswith("#") for call in expanded(member)]


def confine(allowed: set[str], families: list[int]) -> None:
    """Let this process make the calls `allowed`, and sockets of these families; every other one is EPERM."""
    library = ctypes.CDLL(LIBRARY)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = (ctypes.c_uint32,)
    library.seccomp_rule_add_array.argtypes = (
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(_Comparison),
    )
    library.seccomp_load.argtypes = (ctypes.c_void_p,)
    filter_ = library.seccomp_init(_REFUSE)

    def allow(call: str, *comparisons: _Comparison) -> None:
        number = library.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:  # below are those of other architectures
            array = (_Comparison * len(comparisons))(*comparisons)
            assert library.seccomp_rule_add_array(filter_, _ALLOW, number, len(comparisons), array) == 0, call

    for call in allowed - {"socket"}:
        allow(call)
    for family in families:
        allow("socket", _Comparison(0, _EQUAL, family, 0))
    assert library.seccomp_load(filter_) == 0


if __name__ == "__main__":
    main()
