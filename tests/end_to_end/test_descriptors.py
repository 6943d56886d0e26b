"""End-to-end: a service that may open 128 files, and more clients than that. It refuses, and goes on."""

from __future__ import annotations

import contextlib
import socket
from urllib.parse import urlsplit

import httpx

from tests.internet import Internet
from tests.support.running_service import ADMIN, PATIENCE, Service, eventually

LIMIT = 128
CROWD = 2 * LIMIT


def test_a_crowd_takes_no_descriptor_that_the_service_needs(internet: Internet) -> None:
    settings = {"MIN_WORKERS": 1, "MAX_WORKERS": 3}
    job = {"url": "https://html5.example/", "cookies": "#"}  # it is given a worker of its own
    with (
        Service.run(internet, settings=settings, prefix=("prlimit", f"--nofile={LIMIT}", "--")) as service,
        httpx.Client(base_url=service.url, timeout=PATIENCE, headers=ADMIN) as early,
        contextlib.ExitStack() as crowd,
    ):
        door = urlsplit(service.url)
        assert early.get("/health/live").status_code == 200
        for _ in range(CROWD):
            client = crowd.enter_context(socket.socket())
            client.connect((door.hostname, door.port))
            client.sendall(b"GET / HTTP/1.1\r\n")  # and never the rest
        assert early.post("/api/v1/extract", json=job).status_code == 200
        assert "Errno 24" not in service.log
        crowd.close()
        eventually(lambda: service.get("/health/live").status_code == 200)
        assert service.extract("https://html5.example/?after").status_code == 200
