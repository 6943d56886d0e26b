"""A worker that sends from addresses of a network which is routed to this machine and on no interface.

    unshare -rn python -m tests.support.routed_network

prints, as JSON, the address that a site saw for each of a few jobs. It needs a network namespace of its own.
"""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

from service.egress.egress import ROTATION, egresses_of
from service.egress.pool import EgressPool
from service.egress.settings import EgressSettings
from service.template_wire import WorkerSettings
from service.wire import Job, Kind, Success
from tests.support.lone_worker import LoneWorker
from tests.support.origin import VideoSite

NETWORK = "2001:db8:77::/64"
# The site that a job counts for, and the time.
JOBS = (("a.test", 0.0), ("a.test", ROTATION / 2), ("b.test", 0.0), ("a.test", ROTATION))


class _Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6


@contextmanager
def _site(seen: list[str]) -> Iterator[int]:
    class Seeing(VideoSite):
        def do_GET(self) -> None:
            seen.append(self.client_address[0])
            super().do_GET()

        do_HEAD = do_GET

    with _Server(("::1", 0), Seeing) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _main() -> None:
    for command in ("ip link set lo up", f"ip -6 route add local {NETWORK} dev lo"):
        subprocess.run(command.split(), check=True)
    (egress,) = egresses_of({"home": EgressSettings.model_validate({"source": NETWORK})})
    pool = EgressPool([egress], secret=b"s" * 16)
    seen: list[str] = []
    found = []
    with _site(seen) as port:
        settings = WorkerSettings(egress_allow=(f"[::1]:{port}",), sources=True)
        with LoneWorker.spawn(settings) as worker:
            for number, (site, now) in enumerate(JOBS):
                route = pool.route(egress, site, now)
                job = Job(Kind.EXTRACT, f"http://[::1]:{port}/{number}.mp4", route=route)
                outcome = worker.run(job)
                assert isinstance(outcome, Success), outcome
                assert set(seen) == {route.source}, "every request comes from the job's address"
                found.append(seen[0])
                seen.clear()
    print(json.dumps(found))


if __name__ == "__main__":
    _main()
