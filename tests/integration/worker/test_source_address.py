"""A job's source address reaches the socket, and nothing else may be bound. Contract: real workers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from ipaddress import ip_address, ip_network

import pytest

from service.breaker.settings import EVERY_SITE
from service.egress.route import Route
from service.template_wire import WorkerSettings
from service.wire import Job, Kind, Success
from service.worker import landlock
from service.worker.egress import Guard, ports
from service.worker.job_record import Blocked
from service.worker.sidecars import SidecarRH
from service.ytdlp_options import YtdlpOptions
from tests.support.lone_worker import _ROOT, LoneWorker
from tests.support.origin import VideoSite, origin
from tests.support.routed_network import NETWORK
from tests.support.running_service import works

NAMESPACE = ("unshare", "-rn")


@pytest.mark.parametrize("browser", ["", "chrome"])
def test_every_request_comes_from_the_job_s_address(browser: str) -> None:
    seen = []

    class Seeing(VideoSite):
        def do_GET(self) -> None:
            seen.append(self.client_address[0])
            super().do_GET()

        do_HEAD = do_GET

    with origin(Seeing) as port:
        options = {EVERY_SITE: YtdlpOptions(impersonate=browser)}
        settings = WorkerSettings(egress_allow=(f"127.0.0.1:{port}",), sources=True, options=options)
        with LoneWorker.spawn(settings) as worker:
            for source in ("127.0.0.9", "127.0.0.10", None):
                route = Route(source=source)
                job = Job(Kind.EXTRACT, f"http://127.0.0.1:{port}/{source}.mp4", route=route)
                outcome = worker.run(job)
                assert isinstance(outcome, Success), outcome
                assert set(seen) == {source or "127.0.0.1"}
                seen.clear()


@pytest.mark.skipif(
    not (works(NAMESPACE) and shutil.which("ip")), reason="no network namespace may be made here, or no ip"
)
def test_a_routed_network_is_used_address_by_address() -> None:
    command = [*NAMESPACE, sys.executable, "-m", "tests.support.routed_network"]
    ran = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    first, same_hour, other_site, next_hour = json.loads(ran.stdout)
    assert all(ip_address(each) in ip_network(NETWORK) for each in (first, other_site, next_hour))
    assert first == same_hour
    assert len({first, other_site, next_hour}) == 3


def test_the_hook_lets_bind_to_the_job_s_own_address_alone() -> None:
    guard = Guard(WorkerSettings(sources=True))
    guard.leave_by(Route(source="127.0.0.9"))
    guard.check_bind(("127.0.0.9", 0))
    for address in (("127.0.0.9", 8080), ("127.0.0.8", 0), ("", 0), "/tmp/socket", ("127.0.0.9", 0, 0, 0)):
        with pytest.raises(Blocked):
            guard.check_bind(address)
    guard.leave_by(Route())
    with pytest.raises(Blocked):
        guard.check_bind(("127.0.0.9", 0))


def test_a_sidecar_is_not_asked_from_it() -> None:
    guard = Guard(WorkerSettings(sidecars=("127.0.0.1:4416",)))
    handler = SidecarRH(guard=guard, ca_file=None, logger=None, source_address="2001:db8:77::1")
    assert handler.source_address is None


CONFINED = """
import ctypes, socket, sys
from service.worker.landlock import Policy, restrict

restrict(Policy(frozenset(sys.path) | {"/usr", "/lib", "/lib64"}, frozenset(), frozenset((443,)), bind=BIND))

def bind(port):
    # As native code does it, which no audit hook sees.
    with socket.socket() as made:
        address = bytes((2, 0)) + port.to_bytes(2, "big") + bytes((127, 0, 0, 1)) + bytes(8)
        return ctypes.CDLL(None).bind(made.fileno(), address, 16)

print(bind(0), bind(8099))
"""


@pytest.mark.skipif(landlock.version() < 4, reason="this kernel's Landlock knows no ports")
@pytest.mark.parametrize(("bind", "says"), [(False, "-1 -1"), (True, "0 -1")])
def test_landlock_lets_bind_only_where_there_are_sources_and_to_no_port(bind: bool, says: str) -> None:
    script = CONFINED.replace("BIND", str(bind))
    ran = subprocess.run([sys.executable, "-c", script], cwd=_ROOT, capture_output=True, text=True)
    assert ran.stdout.strip() == says, ran.stderr


def test_a_worker_reaches_the_ports_of_all_egresses() -> None:
    assert ports(WorkerSettings(proxy_ports=(1080, 3128), only_proxies=True)) == frozenset((53, 1080, 3128))
    mixed = ports(WorkerSettings(proxy_ports=(1080,)))
    assert mixed is not None
    assert {53, 80, 443, 1080} <= mixed


def test_a_job_without_its_proxy_goes_nowhere() -> None:
    guard = Guard(WorkerSettings(proxy_ports=(3128,), only_proxies=True))
    for route in (None, Route(), Route(source="127.0.0.9")):
        with pytest.raises(Blocked):
            guard.leave_by(route)
    guard.leave_by(Route("http://127.0.0.1:3128"))
    guard.check_address(("127.0.0.1", 3128))
    with pytest.raises(Blocked):
        guard.check_address(("127.0.0.1", 8080))


def test_the_guard_holds_to_one_proxy_at_a_time() -> None:
    guard = Guard(WorkerSettings(proxy_ports=(3128, 3129), only_proxies=True))
    for own, other in ((3128, 3129), (3129, 3128), (3128, 3129)):
        guard.leave_by(Route(f"http://127.0.0.1:{own}"))
        guard.check_address(("127.0.0.1", own))
        with pytest.raises(Blocked):
            guard.check_address(("127.0.0.1", other))
