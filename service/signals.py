"""The signals that stop the service, caught from the first instruction on, and the watchdog that they start.

This module is imported before all others and imports next to nothing. Process 1, as in a container, has no
default action: a signal without a handler would be lost.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Callable
from types import FrameType

STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
EARLY = 60.0  # seconds for a stop before the settings are known


def _nobody() -> None:
    """Nobody listens yet."""


class StopSignals:
    """Counts the signals that ask this process to stop, however busy it is.

    The first one starts the watchdog, which ends the process after a while with exit code 1. It is a thread
    of faulthandler's: it needs neither the event loop nor the interpreter's lock.

    Attributes:
        received: how many have come.
    """

    def __init__(self) -> None:
        self.received = 0
        self._patience = EARLY
        self._listener: Callable[[], object] = _nobody
        self._former: dict[signal.Signals, object] = {}
        self._nowhere = -1

    def catch(self) -> None:
        """Handle the signals from now on; SIGHUP stays ignored where it is, as under nohup."""
        # The watchdog's report goes here: to write it to standard error could hang.
        self._nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in STOP:
            former = signal.getsignal(number)
            if number is not signal.SIGHUP or former is not signal.SIG_IGN:
                self._former[number] = former
                signal.signal(number, self._handle)

    def release(self) -> None:
        """Give the signals their former actions back, for a command that serves nobody."""
        for number, former in self._former.items():
            signal.signal(number, former)  # type: ignore[arg-type]  # it was an action before
        self.dismiss()
        if self.received:
            signal.raise_signal(signal.SIGTERM)

    def finish(self) -> None:
        """Ignore the signals: the process is ending, and its exit code shall be its own."""
        for number in self._former:
            signal.signal(number, signal.SIG_IGN)

    def listen(self, listener: Callable[[], object], patience: float) -> None:
        """Call `listener` in the handler of each signal; the watchdog waits `patience` seconds."""
        self._listener = listener
        self._patience = patience
        if self.received:
            self._watch()

    def dismiss(self) -> None:
        """Call the watchdog off."""
        faulthandler.cancel_dump_traceback_later()

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.received += 1
        if self.received == 1:
            self._watch()
        self._listener()

    def _watch(self) -> None:
        faulthandler.dump_traceback_later(self._patience, exit=True, file=self._nowhere)


stop = StopSignals()
