"""A TCP relay on which a service's closing of an idle connection arrives too late."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from selectors import EVENT_READ, DefaultSelector
from socketserver import BaseRequestHandler, ThreadingTCPServer


class SilentlyClosing(ThreadingTCPServer):
    """The relay. A client learns that the service has closed its connection when it sends the next request,
    as it happens by chance where the two cross on the wire.
    """

    def __init__(self, service: str) -> None:
        super().__init__(("127.0.0.1", 0), _Relayed)
        host, _, port = service.partition(":")
        self.service = host, int(port)
        self.lock = threading.Lock()
        self.carried = 0  # connections that a POST went over
        self.open = 0  # of these

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @classmethod
    @contextmanager
    def to(cls, service: str) -> Iterator[SilentlyClosing]:
        with cls(service) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join()


class _Relayed(BaseRequestHandler):
    server: SilentlyClosing
    carried = False

    def handle(self) -> None:
        client: socket.socket = self.request
        with socket.create_connection(self.server.service) as service, DefaultSelector() as selector:
            selector.register(client, EVENT_READ)
            selector.register(service, EVENT_READ)
            with contextlib.suppress(ConnectionError):
                self._carry(client, service, selector)

    def _carry(self, client: socket.socket, service: socket.socket, selector: DefaultSelector) -> None:
        closed = False
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if service in ready:
                data = service.recv(65536)
                if data:
                    client.sendall(data)
                else:
                    selector.unregister(service)
                    closed = True
            if client in ready:
                data = client.recv(65536)
                if not data or closed:
                    return
                if data.startswith(b"POST") and not self.carried:
                    self.carried = True
                    with self.server.lock:
                        self.server.carried += 1
                        self.server.open += 1
                service.sendall(data)

    def finish(self) -> None:
        if self.carried:
            with self.server.lock:
                self.server.open -= 1
