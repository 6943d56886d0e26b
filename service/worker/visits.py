"""Asks the server whether a job may ask an endpoint that it is led to."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator

from ..wire import HEADER, MAX_HEAD, Permission, decode_permission, encode_visit, lengths

MayVisit = Callable[[str], Permission]

_ALARMS = (signal.SIGALRM, signal.SIGPROF)


def anywhere(endpoint: str) -> Permission:
    """The answer where there is no server."""
    return Permission()


def permissions_on(sock: socket.socket) -> MayVisit:
    """Asks on the worker's socket, which is otherwise unused during a job."""

    def may_visit(endpoint: str) -> Permission:
        with _unalarmed():
            sock.sendall(encode_visit(endpoint))
            header = exactly(sock, HEADER.size)
            return decode_permission(exactly(sock, lengths(header, max_head=MAX_HEAD, max_body=0)[0]))

    return may_visit


@contextlib.contextmanager
def _unalarmed() -> Iterator[None]:
    """Defer the job's alarms, whose exception would leave an answer on the socket for the next question."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ALARMS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ALARMS)


def exactly(sock: socket.socket, length: int) -> bytes:
    """Raises SystemExit once the server is gone, because then no job waits for this worker."""
    received = sock.recv(length, socket.MSG_WAITALL)
    if len(received) < length:
        raise SystemExit
    return received
