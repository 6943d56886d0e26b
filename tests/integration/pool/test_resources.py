"""Contract: the cores and memory that the kernel reports; other kernels are trees of files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.pool.resources import available_cores, memory_limit, memory_room

CORES = len(os.sched_getaffinity(0))


def a_machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def test_this_machine() -> None:
    assert 0 < available_cores() <= CORES
    assert (memory_limit() or 0) > 1 << 20


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    assert available_cores(tmp_path) == CORES
    assert memory_limit(tmp_path) is None


def test_control_groups_version_2(tmp_path: Path) -> None:
    root = a_machine(
        tmp_path,
        {
            "proc/meminfo": "MemTotal:       1000 kB\nMemFree: 1 kB\n",
            "proc/self/cgroup": "0::/pods/ours\n",
            "sys/fs/cgroup/pods/ours/cpu.max": "max 100000\n",
            "sys/fs/cgroup/pods/cpu.max": "50000 100000\n",
            "sys/fs/cgroup/pods/ours/memory.max": "600000\n",
            "sys/fs/cgroup/pods/memory.max": "max\n",
        },
    )
    assert available_cores(root) == 0.5
    assert memory_limit(root) == 600_000


def test_control_groups_version_1(tmp_path: Path) -> None:
    root = a_machine(
        tmp_path,
        {
            "proc/meminfo": "MemTotal:       1000 kB\n",
            "proc/self/cgroup": "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "25000\n",  # a container sees its group as root
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    assert available_cores(root) == 0.25
    assert memory_limit(root) == 1000 * 1024


@pytest.mark.parametrize("quota", ["max 100000", "-1 100000", ""])
def test_no_quota_is_no_limit(tmp_path: Path, quota: str) -> None:
    root = a_machine(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": quota})
    assert available_cores(root) == CORES


def test_the_memory_that_is_left(tmp_path: Path) -> None:
    assert (memory_room() or 0) > 0
    assert memory_room(tmp_path) is None
    root = a_machine(
        tmp_path,
        {
            "proc/meminfo": "MemTotal:       9000 kB\nMemAvailable: 8000 kB\n",
            "proc/self/cgroup": "0::/pods/ours\n",
            "sys/fs/cgroup/pods/ours/memory.max": "max\n",
            "sys/fs/cgroup/pods/memory.max": "1000000\n",
            "sys/fs/cgroup/pods/memory.current": "900000\n",
            "sys/fs/cgroup/pods/memory.stat": "anon 600000\ninactive_file 300000\n",
        },
    )
    assert memory_room(root) == 400_000
