"""What the machine allows, read from the kernel: cores and memory; and the scaler that keeps within it.

Knows control groups of both versions. A limit anywhere between this process's group and the root counts,
so the tightest is taken. Whatever cannot be read sets no limit.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..config import Config
from .scaling import Scaler, memory_cap

FOOTPRINT = 64 << 20  # bytes that one more worker takes after some work, its share of the template included
# Bytes for the server (60 MB) and the template (80), and for the solver: one script that is taken apart (240)
# and two that are kept (60 each). What workers need who solve by themselves is not in it.
RESERVED = 512 << 20

ROOT = Path("/")
_UNLIMITED = 1 << 60  # control groups v1 write "no limit" as a number of about this size


def scaler_for(config: Config) -> Scaler:
    """A scaler for these settings on this machine."""
    memory = memory_limit()
    return Scaler(
        config.min_workers,
        config.max_workers,
        cores=available_cores(),
        memory=memory_cap(memory, FOOTPRINT, RESERVED) if memory is not None else None,
        sites=config.site_limit("youtube.com") if config.sites == "youtube" else None,
        fixed=config.fixed_workers,
    )


def available_cores(root: Path = ROOT) -> float:
    """Cores that this process may use, perhaps a fraction: its affinity, and its groups' CPU quotas."""
    quotas = [quota for quota in _cpu_quotas(root) if quota > 0]
    return min([float(len(os.sched_getaffinity(0))), *quotas])


def memory_limit(root: Path = ROOT) -> int | None:
    """Bytes of memory that this process and its children may use together, None where it cannot be told."""
    limits = [limit for limit in _memory_limits(root) if 0 < limit < _UNLIMITED]
    return min(limits, default=None)


def memory_room(root: Path = ROOT) -> int | None:
    """Bytes of memory that are left for this process and its children, None where it cannot be told."""
    rooms = []
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            rooms.append(int(line.split()[1]) * 1024)
    for group in _groups(root, ""):
        rooms += _room(group, "memory.max", "memory.current", "inactive_file")
    for group in _groups(root, "memory"):
        rooms += _room(group, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    return min(rooms, default=None)


def _room(group: Path, limit: str, used: str, idle: str) -> Iterator[int]:
    """What a group has left. Its files that nobody reads are given up when memory is needed."""
    for most in _numbers([group / limit]):
        for taken in _numbers([group / used]):
            cached = [line.split() for line in _read(group / "memory.stat").splitlines()]
            yield most - taken + sum(int(value) for name, value in cached if name == idle)


def _cpu_quotas(root: Path) -> Iterator[float]:
    for group in _groups(root, ""):
        quota, _, period = _read(group / "cpu.max").partition(" ")
        if quota.isdigit() and period.strip().isdigit():
            yield int(quota) / int(period)
    for group in _groups(root, "cpu"):
        quota, period = _read(group / "cpu.cfs_quota_us").strip(), _read(group / "cpu.cfs_period_us").strip()
        if quota.isdigit() and period.isdigit():  # -1 stands for no quota
            yield int(quota) / int(period)


def _memory_limits(root: Path) -> Iterator[int]:
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            yield int(line.split()[1]) * 1024
    files = [group / "memory.max" for group in _groups(root, "")]
    files += [group / "memory.limit_in_bytes" for group in _groups(root, "memory")]
    yield from _numbers(files)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The directories of this process's group and all above it; the empty controller stands for version 2."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / controllers
        group = mount / path.lstrip("/")
        yield group
        while group != mount and mount in group.parents:
            group = group.parent
            yield group


def _numbers(files: Iterable[Path]) -> Iterator[int]:
    for file in files:
        text = _read(file).strip()
        if text.isdigit():
            yield int(text)


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
