"""The transport of a worker's requests. Contract: real sockets, the small internet."""

from __future__ import annotations

import contextlib
import socket

from service.template_wire import WorkerSettings
from service.worker.egress import Guard
from service.worker.transport import GuardedAdapter, tls_context
from tests.internet import Internet


def test_a_request_through_a_proxy_does_not_wait_for_an_acknowledgement(internet: Internet) -> None:
    adapter = GuardedAdapter(
        Guard(WorkerSettings(proxy=internet.proxy)), ssl_context=tls_context(None, False)
    )
    with contextlib.closing(adapter):
        pool = adapter.proxy_manager_for(internet.proxy).connection_from_url("http://plain.example/")
        with contextlib.closing(pool.ConnectionCls(pool.host, pool.port, **pool.conn_kw)) as connection:
            connection.connect()
            assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
