"""Standard error without waiting: a bounded queue, and a thread that writes it.

Whoever reads the log may stop reading, a disk may be full, a pipe may be closed. None of this may stop the
event loop, so what finds no room in the queue is dropped, counted, and told in one line once it flows again.
"""

from __future__ import annotations

import atexit
import io
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable

BACKLOG = 1 << 20  # bytes in the queue, some 4,000 lines; the most that the log may take of the memory
CHUNK = 64 << 10  # bytes per write, the size of a pipe
PAUSE = 0.02  # seconds between writes, so that many lines share one, and few requests meet this thread
FAREWELL = 1.0  # seconds at exit for what is queued


def _plain(dropped: int) -> str:
    return f"{dropped} log lines were dropped\n"


class LogStream(io.TextIOBase):
    """A text stream on descriptor `fd` whose writes never wait.

    Attributes:
        dropped: lines lost so far, to a full queue or to an error of the descriptor.
        report: the line that tells how many were lost.
    """

    def __init__(self, fd: int) -> None:
        self.dropped = 0
        self.report: Callable[[int], str] = _plain
        self._fd = fd
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._told = 0  # of `dropped`
        self._torn = False  # the last line was written in part
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        """Queue `text`, all or nothing."""
        data = text.encode(errors="backslashreplace")
        with self._changed:
            if self._size + len(data) > BACKLOG:
                self.dropped += max(1, data.count(b"\n"))
            else:
                self._queue.append(data)
                self._size += len(data)
                self._changed.notify_all()
        return len(text)

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)

    def writable(self) -> bool:
        return True

    def drain(self, timeout: float) -> None:
        """Wait until the queue is written, for at most `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._size, timeout)

    def _run(self) -> None:
        pause = threading.Event()  # never set
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue)
                data = b"".join(self._queue)
                self._queue.clear()
            lost = self._write(data)
            with self._changed:
                self._size -= len(data)
                self.dropped += lost
                self._changed.notify_all()
                if not lost and self.dropped > self._told:
                    report = ("\n" * self._torn + self.report(self.dropped - self._told)).encode()
                    self._told, self._torn = self.dropped, False
                    self._queue.append(report)
                    self._size += len(report)
            pause.wait(PAUSE)

    def _write(self, data: bytes) -> int:
        """Write `data`; returns how many lines of it were lost."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._fd, view[:CHUNK]) :]
            except BlockingIOError:  # somebody shares the descriptor, and made it so
                select.select((), (self._fd,), ())
            except OSError:
                written = data[: len(data) - len(view)]
                self._torn = bool(written) and not written.endswith(b"\n")
                return data.count(b"\n", len(written))
        return 0


def install() -> LogStream:
    """Make standard error a LogStream, for all that this process writes there.

    Where a standard descriptor is closed it becomes /dev/null: otherwise the next file or socket would get
    its number, and the log with it.
    """
    opened = os.open(os.devnull, os.O_RDWR)
    while opened <= 2:
        os.set_inheritable(opened, True)
        opened = os.dup(opened)
    os.close(opened)
    stream = LogStream(2)
    atexit.register(stream.drain, FAREWELL)
    sys.stderr = stream
    return stream


def dropped() -> int:
    """The log lines that this process has lost."""
    return sys.stderr.dropped if isinstance(sys.stderr, LogStream) else 0
