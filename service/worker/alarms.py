"""Alarms that end a part of a job: an exception, raised by a signal in the middle of whatever runs.

Each kind of timer serves one purpose at a time: CPU of the job (PROF), CPU of a part (VIRTUAL), time (REAL).
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator

_SIGNALS = {
    signal.ITIMER_PROF: signal.SIGPROF,
    signal.ITIMER_VIRTUAL: signal.SIGVTALRM,
    signal.ITIMER_REAL: signal.SIGALRM,
}


@contextlib.contextmanager
def alarm(
    timer: int, seconds: float, error: Callable[[], BaseException], *, again: float = 0.0
) -> Iterator[None]:
    """Raise `error()` in its body once `timer` has run for so many seconds.

    A C library that does not check for signals is not interrupted.

    Args:
        timer: one of signal.ITIMER_*.
        again: seconds after which it is raised once more, in case the first is swallowed; 0: never.
    """
    armed = True

    def over(*_: object) -> None:
        if armed:
            raise error()

    signal.signal(_SIGNALS[timer], over)
    signal.setitimer(timer, seconds, again)
    try:
        yield
    finally:
        armed = False
        signal.setitimer(timer, 0)


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Let all alarms wait until its body has ended."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS.values())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS.values())
