"""Contract: PSS of real processes. Pure: which readings are renewed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import count

import pytest

from service.pool.accounting import cost_of
from service.pool.memory import AGE, BURST, RATE, Memory, pss_of


@pytest.fixture
def forks() -> Iterator[list[int]]:
    """Four processes that share the memory of this one."""
    pids = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            signal.pause()
            os._exit(0)
        pids.append(pid)
    yield pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_pages_that_are_shared_count_once_in_the_sum(forks: list[int]) -> None:
    assert sum(map(pss_of, forks)) < sum(cost_of(pid).rss for pid in forks) / 2
    assert all(pss_of(pid) > 0 for pid in forks)
    assert pss_of(2**22 + 1) == 0  # there is none


def test_readings_are_renewed_in_turn_and_no_faster_than_the_rate() -> None:
    read: list[int] = []

    def reading(pid: int) -> int:
        read.append(pid)
        return 10 * pid

    memory = Memory(reading)
    everybody = range(BURST + 2)
    assert sum(memory.of(everybody, 0.0).values()) == sum(10 * pid for pid in range(BURST))
    assert len(read) == BURST
    memory.of(everybody, 0.5 / RATE)
    assert len(read) == BURST
    memory.of(everybody, 2.0 / RATE)
    assert read[BURST:] == [BURST, BURST + 1]  # those that were not read at all come first
    memory.of(everybody, 3.0 / RATE)
    assert len(read) == BURST + 2  # all are good still
    memory.of(everybody, AGE)
    assert read[BURST + 2 :] == [0, 1, 2]  # as many as the time since the last two allows


def test_a_process_that_is_gone_is_forgotten() -> None:
    readings = count(1)
    memory = Memory(lambda pid: next(readings))
    assert memory.of([1, 2], 0.0) == {1: 1, 2: 2}
    assert memory.of([2], 1.0) == {2: 2}
    assert memory.of([1], 1.0) == {1: 3}  # another process that has its number
