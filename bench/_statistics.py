"""What the benchmarks share: percentiles, a raw keep-alive client, memory and CPU of processes."""

from __future__ import annotations

import contextlib
import math
import re
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; nan without values."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def cpu_of(pid: int) -> float:
    """Seconds of CPU that all threads of `pid` have used, to the nanosecond."""
    return time.clock_gettime(~pid << 3 | 2)  # what clock_getcpuclockid(3) computes


def pss_of(pids: Iterable[int]) -> int:
    """Bytes of memory of all processes, with shared pages counted once."""
    total = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


class Probe:
    """A keep-alive connection that costs little more than its system calls."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to `request`. Raises ConnectionError where it is cut short."""
        self.socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._some()
        head, _, body = data.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is None:
            raise ConnectionError("the answer has no length")
        parts, missing = [body], int(length[1]) - len(body)
        while missing > 0:
            parts.append(self._some())
            missing -= len(parts[-1])
        return int(head[9:12]), b"".join(parts)

    def _some(self) -> bytes:
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the connection was closed")
        return data


@contextmanager
def probe(host: str, port: int) -> Iterator[Probe]:
    connection = Probe(host, port)
    with connection.socket:
        yield connection


def get(target: str, **headers: str) -> bytes:
    """A request's bytes; underscores in the headers' names become dashes."""
    lines = [f"GET {target} HTTP/1.1", "Host: bench"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
