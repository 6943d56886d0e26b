"""Egress proxies that fail in their own ways, and some that live while every site is dead or refused."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from socketserver import BaseRequestHandler, ThreadingTCPServer

_PAGE = b"<html><title>Sign in to the network</title></html>"
_LONG = _PAGE * 500
_HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(_PAGE), _PAGE)
_NO_METHOD, _PASSWORD, _HOST_UNREACHABLE = 0xFF, 2, 4

Behaviour = Callable[[socket.socket], None]


def hangs(client: socket.socket) -> None:
    while client.recv(4096):
        pass


def resets(client: socket.socket) -> None:
    client.recv(1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def closes(client: socket.socket) -> None:
    client.recv(4096)


def answers_with_a_page(client: socket.socket) -> None:
    client.recv(4096)
    client.sendall(_HTML)


def wants_a_password(client: socket.socket) -> None:
    client.recv(4096)
    client.sendall(bytes((5, _NO_METHOD)))


def takes_no_password(client: socket.socket) -> None:
    client.recv(4096)
    client.sendall(bytes((5, _PASSWORD)))
    client.recv(4096)
    client.sendall(bytes((1, 1)))


def hangs_after_the_greeting(client: socket.socket) -> None:
    client.recv(4096)
    client.sendall(bytes((5, 0)))
    hangs(client)


def cuts_bodies(client: socket.socket) -> None:
    """Answers a plain request with a part of a page."""
    client.recv(4096)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % (2 * len(_LONG))
    client.sendall(head + _LONG)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def finds_no_site(client: socket.socket) -> None:
    """This one lives."""
    client.recv(4096)
    client.sendall(bytes((5, 0)))
    if client.recv(4096):
        client.sendall(bytes((5, _HOST_UNREACHABLE, 0, 1, *bytes(6))))


def refuses_the_site(status: int) -> Behaviour:
    """One that lives, and answers for a site, or passes on, what a proxy says of itself."""

    def behaviour(client: socket.socket) -> None:
        said = 502 if b"nowhere.invalid" in client.recv(4096) else status
        client.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % said)

    return behaviour


SOCKS: Mapping[str, Behaviour] = {
    "hangs": hangs,
    "resets": resets,
    "closes": closes,
    "page": answers_with_a_page,
    "no password": wants_a_password,
    "wrong password": takes_no_password,
    "hangs later": hangs_after_the_greeting,
}
HTTP: Mapping[str, Behaviour] = {
    "hangs": hangs,
    "resets": resets,
    "closes": closes,
    "page": answers_with_a_page,
}


@contextmanager
def sick_proxy(behaviour: Behaviour) -> Iterator[str]:
    """host:port of a proxy that treats every connection by `behaviour`."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                behaviour(self.request)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
