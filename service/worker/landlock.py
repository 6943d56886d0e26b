"""Landlock: the kernel restricts which files a worker may use and which TCP ports it may connect to.

Landlock (landlock(7), Linux 5.13) binds the process, its native libraries and its children permanently, so
it also covers what the audit hook misses. Each version of its ABI offers more; `layers` lists what this
kernel enforces.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION = 1
_PATH_BENEATH, _NET_PORT = 1, 2
_PR_SET_NO_NEW_PRIVS = 38
_SCOPES = 0b11  # abstract Unix sockets, and signals to processes outside
_BIND, _CONNECT, _NET = 0b01, 0b10, 0b11

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE, _IOCTL_DEV = (
    1 << bit for bit in (0, 1, 2, 3, 14, 15)
)
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV  # the other rights are of folders
# (ABI version, number of rights from that version on); the rights are the lowest bits.
_RIGHTS = ((1, 13), (2, 14), (3, 15), (5, 16))

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Policy:
    """The accesses that stay allowed.

    Attributes:
        read: files and folders to read and execute; those that do not exist are left out.
        write: folders, and existing files, in which anything may be done.
        ports: TCP ports that may be connected to; None for all.
        bind: a socket may be bound to an address, at a port of the kernel's choice. Otherwise listening is
            not possible.
    """

    read: frozenset[str]
    write: frozenset[str]
    ports: frozenset[int] | None
    bind: bool = False


def version() -> int:
    """The version of the kernel's Landlock ABI; 0 where it has none, or it is switched off or forbidden."""
    found: int = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    return max(0, found)


def layers(ports: Iterable[int] | None) -> tuple[str, ...]:
    """The layers that `restrict` enforces on this kernel, in words; `ports` as in Policy."""
    found = version()
    return (
        *(("landlock files",) if found >= 1 else ()),
        *(("landlock tcp",) if found >= 4 and ports is not None else ()),
        *(("landlock signals",) if found >= 6 else ()),
    )


def restrict(policy: Policy) -> None:
    """Enforce `policy` permanently on this process and its children, as far as the kernel can.

    Raises:
        OSError: the kernel offers it but refuses.
    """
    found = version()
    if not found:
        return
    files = (1 << max(bits for since, bits in _RIGHTS if since <= found)) - 1
    net = 0 if found < 4 else _NET if policy.ports is not None else _NET & ~_CONNECT
    size = 8 if found < 4 else 16 if found < 6 else 24
    attributes = struct.pack("=QQQ", files, net, _SCOPES)[:size]
    ruleset = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0)
    try:
        for path in policy.read:
            _allow(ruleset, path, _READ)
        for path in policy.write:
            _allow(ruleset, path, files & ~_IOCTL_DEV)
        if net & _CONNECT:
            for port in policy.ports or ():
                _call(_ADD_RULE, ruleset, _NET_PORT, struct.pack("=QQ", _CONNECT, port), 0)
        if net and policy.bind:
            _call(_ADD_RULE, ruleset, _NET_PORT, struct.pack("=QQ", _BIND, 0), 0)
        if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return  # a rule for it would allow nothing
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _OF_A_FILE
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, fd), 0)
    finally:
        os.close(fd)


def _call(number: int, *arguments: object) -> int:
    result: int = _libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return result
