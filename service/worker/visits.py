"""Asks the server whether a job may ask an endpoint that it is led to."""

from __future__ import annotations

import socket
from collections.abc import Callable

from ..wire import HEADER, MAX_HEAD, Permission, decode_permission, encode_visit, lengths
from . import alarms

MayVisit = Callable[[str], Permission]


def anywhere(endpoint: str) -> Permission:
    """The answer where there is no server."""
    return Permission()


def permissions_on(sock: socket.socket) -> MayVisit:
    """Asks on the worker's socket, which is otherwise unused during a job."""

    def may_visit(endpoint: str) -> Permission:
        with alarms.deferred():  # else an answer would be left on the socket for the next question
            sock.sendall(encode_visit(endpoint))
            header = exactly(sock, HEADER.size)
            return decode_permission(exactly(sock, lengths(header, max_head=MAX_HEAD, max_body=0)[0]))

    return may_visit


def exactly(sock: socket.socket, length: int) -> bytes:
    """Raises SystemExit once the server is gone, because then no job waits for this worker."""
    received = sock.recv(length, socket.MSG_WAITALL)
    if len(received) < length:
        raise SystemExit
    return received
