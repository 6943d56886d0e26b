"""The load generator: one thread, one epoll loop, raw sockets, so that it takes little of what it measures.

`python -m bench._generator` reads one Load as JSON from standard input and prints its Samples; SIGTERM ends
the load before its time. In an open loop requests leave on schedule, however slow the answers are, and
latency counts from the scheduled time, so a stall shows in every request that was due meanwhile. In a closed
loop each of N clients sends the next request when the last is answered, which measures a capacity.
"""

from __future__ import annotations

import json
import re
import selectors
import signal
import socket
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass, field

PATIENCE = 30.0  # seconds after the end in which answers still count
OK = 200
UNANSWERED = 0  # the status of a request that got none
NO_CLIENT = -1  # the client of a request that found no connection
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_CODE = re.compile(rb'"code": *"([A-Z_]+)"')
_RECEIVE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Load:
    """What to send, when.

    Attributes:
        target: a GET's path and query; several, separated by spaces, are asked in turn. `{n}` in it becomes
            the request's number, seven digits.
        seconds: for which requests are sent.
        clients: of a closed loop; in an open loop the connections that there may be at once.
        rate: requests per second of an open loop; None for a closed loop.
        distinct: after so many numbers they begin again; 0 for never.
        limit: requests in all; 0 for no limit.
        timeout: seconds after the end in which answers still count.
    """

    host: str
    port: int
    target: str
    seconds: float
    clients: int
    rate: float | None = None
    distinct: int = 0
    limit: int = 0
    timeout: float = PATIENCE
    headers: dict[str, str] = field(default_factory=dict)

    def request(self, number: int) -> bytes:
        targets = self.target.split()
        target = targets[number % len(targets)]
        number = number % self.distinct if self.distinct else number
        lines = [f"GET {target.replace('{n}', f'{number:07d}')} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


@dataclass(slots=True)
class Samples:
    """One entry per request, in the order of the answers.

    Attributes:
        began: seconds from the start at which it was due (open loop) or sent (closed loop).
        took: seconds from then to the last byte of the answer.
        status: of the answer; 0 where none came.
        client: the number of its client.
        problems: how often each code of an error came; others count by their status.
        bytes: of all bodies.
    """

    began: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    client: list[int] = field(default_factory=list)
    problems: dict[str, int] = field(default_factory=dict)
    bytes: int = 0

    def add(self, began: float, took: float, status: int, client: int, code: str = "") -> None:
        self.began.append(round(began, 6))
        self.took.append(round(took, 6))
        self.status.append(status)
        self.client.append(client)
        if status != OK:
            name = code or str(status or "no answer")
            self.problems[name] = self.problems.get(name, 0) + 1


class _Connection:
    """A client's connection, and the request on it."""

    def __init__(self, address: tuple[str, int], client: int) -> None:
        self.client = client
        self.socket = socket.create_connection(address, timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = 0.0
        self.code = ""
        self._parts: list[bytes] = []
        self._missing = -1
        self._status = 0
        self._close = False

    def ask(self, request: bytes, began: float) -> None:
        self.began, self.code, self._parts, self._missing = began, "", [], -1
        self.socket.sendall(request)

    def answered(self) -> tuple[int, int, bool] | None:
        """Take what has arrived: status, body's length and whether to go on, once the answer is complete.

        Raises:
            OSError: the connection ended before.
        """
        data = self.socket.recv(_RECEIVE)
        if not data:
            raise ConnectionResetError("the answer is incomplete")
        if self._missing < 0:
            self._parts.append(data)
            head, found, body = b"".join(self._parts).partition(b"\r\n\r\n")
            if not found:
                return None
            length = _LENGTH.search(head)
            if length is None:
                raise ConnectionResetError("the answer has no length")
            code = _CODE.search(body)  # an error's body is short and comes with its head
            self.code = code[1].decode() if code else ""
            self._status, self._close = int(head[9:12]), _CLOSE.search(head) is not None
            self._length = int(length[1])
            self._missing = self._length - len(body)
        else:
            self._missing -= len(data)
        if self._missing:
            return None
        return self._status, self._length, not self._close


class _Generator:
    def __init__(self, load: Load) -> None:
        self._load = load
        self._samples = Samples()
        self._selector = selectors.DefaultSelector()
        self._idle: list[_Connection] = []
        self._open = 0
        self._due: deque[float] = deque()  # scheduled, but every connection is taken
        self._sent = 0
        self._start = time.perf_counter()
        self._end = load.seconds

    def stop(self) -> None:
        """Send no more; what is under way still counts."""
        self._end = min(self._end, time.perf_counter() - self._start)

    def run(self) -> Samples:
        load = self._load
        if load.rate is None:
            for client in range(load.clients):
                self._idle.append(self._connect(client))
        self._start = time.perf_counter()
        interval = 1 / load.rate if load.rate else 0.0
        scheduled = 0
        while True:
            now = time.perf_counter() - self._start
            sending = now < self._end and not (load.limit and scheduled >= load.limit)
            wait = 1.0
            if load.rate is None:
                if sending:
                    while self._idle and not (load.limit and scheduled >= load.limit):
                        self._send(time.perf_counter() - self._start)
                        scheduled += 1
            else:
                while sending and scheduled * interval <= now:
                    self._due.append(scheduled * interval)
                    scheduled += 1
                    sending = scheduled * interval < self._end and scheduled != load.limit
                while self._due and (self._idle or self._open < load.clients):
                    self._send(self._due.popleft())
                wait = (
                    max(0.0, scheduled * interval - (time.perf_counter() - self._start)) if sending else 1.0
                )
            busy = self._open - len(self._idle)
            if (not sending and not busy and not self._due) or now > self._end + load.timeout:
                break
            # epoll sleeps whole milliseconds, rounded up: spin the last one, or requests leave late.
            for key, _ in self._selector.select(wait - 0.001 if wait > 0.001 else 0):
                self._receive(key.data)
        for key in list(self._selector.get_map().values()):
            if key.data not in self._idle:
                self._samples.add(key.data.began, now - key.data.began, UNANSWERED, key.data.client)
            key.data.socket.close()
        for began in self._due:
            self._samples.add(began, now - began, UNANSWERED, NO_CLIENT)
        return self._samples

    def _connect(self, client: int) -> _Connection:
        connection = _Connection((self._load.host, self._load.port), client)
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        self._open += 1
        return connection

    def _close(self, connection: _Connection) -> None:
        self._selector.unregister(connection.socket)
        connection.socket.close()
        self._open -= 1

    def _send(self, began: float) -> None:
        request = self._load.request(self._sent)
        self._sent += 1
        try:
            connection = self._idle.pop() if self._idle else self._connect(self._open)
            connection.ask(request, began)
        except OSError:
            self._samples.add(began, time.perf_counter() - self._start - began, UNANSWERED, NO_CLIENT)

    def _receive(self, connection: _Connection) -> None:
        idle = connection in self._idle
        try:
            answer = connection.answered()
        except OSError:
            self._close(connection)
            if idle:  # a keep-alive connection that the server closed
                self._idle.remove(connection)
            else:
                self._finish(connection, UNANSWERED)
            self._replace(connection.client)
            return
        if answer is None:
            return
        status, length, alive = answer
        self._samples.bytes += length
        self._finish(connection, status)
        if alive:
            self._idle.append(connection)
        else:
            self._close(connection)
            self._replace(connection.client)

    def _finish(self, connection: _Connection, status: int) -> None:
        now = time.perf_counter() - self._start
        self._samples.add(
            connection.began, now - connection.began, status, connection.client, connection.code
        )

    def _replace(self, client: int) -> None:
        """Let a closed loop's client go on with a new connection; a service that is gone ends him."""
        if self._load.rate is None and time.perf_counter() - self._start < self._end:
            try:
                self._idle.append(self._connect(client))
            except OSError:
                return


def main() -> None:
    load = Load(**json.load(sys.stdin))
    generator = _Generator(load)
    signal.signal(signal.SIGTERM, lambda *_: generator.stop())
    print("ready", flush=True)
    json.dump(asdict(generator.run()), sys.stdout, separators=(",", ":"))


if __name__ == "__main__":
    main()
