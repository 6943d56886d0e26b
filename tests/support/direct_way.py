"""A way from a worker without a proxy to one host of the small internet.

A plugin resolves the host to a port on loopback, and what comes there goes through the internet's own proxy.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator

from tests.internet import Internet

RESOLVER = """
import socket

asked = socket.getaddrinfo

def getaddrinfo(host, port, *args, **kwargs):
    if host == {host!r}:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", {port}))]
    return asked(host, port, *args, **kwargs)

socket.getaddrinfo = getaddrinfo
"""


@contextlib.contextmanager
def direct_way(internet: Internet, host: str) -> Iterator[int]:
    """The port on loopback that stands for port 443 of `host`; its RESOLVER has to know it."""

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", internet.port)) as tunnel:
                tunnel.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += tunnel.recv(1)
                back = threading.Thread(target=_copy, args=(tunnel, self.request))
                back.start()
                _copy(self.request, tunnel)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Relay) as server:
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
