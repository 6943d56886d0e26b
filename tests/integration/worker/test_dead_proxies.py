"""A dead egress proxy is blamed, and so is a dead site behind a living one. Contract: real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from service.breaker.classification import call_result_of
from service.breaker.settings import EVERY_SITE
from service.codes import CallResult, Code
from service.egress.route import Route
from service.template_wire import WorkerSettings
from service.wire import Failure, Job, Kind
from service.ytdlp_options import YtdlpOptions
from tests.support import sick_proxy
from tests.support.lone_worker import LoneWorker

SITE = "https://html5.example/"
NOBODY = 9  # a port that nobody listens on
CASES = [
    *(("socks5", kind, behaviour) for kind, behaviour in sick_proxy.SOCKS.items()),
    ("socks5h", "wrong password", sick_proxy.takes_no_password),
    *(("http", kind, behaviour) for kind, behaviour in sick_proxy.HTTP.items()),
]


@dataclass
class Patient:
    """A proxy that treats each connection as a test has it, and workers that leave through it."""

    address: str
    workers: dict[str, LoneWorker]
    behaviour: sick_proxy.Behaviour = sick_proxy.hangs

    def failure(self, proxy: str, url: str = SITE, browser: str = "") -> Failure:
        job = Job(Kind.EXTRACT, url, route=Route(proxy))
        outcome = self.workers[browser].run(job, timeout=1.0)
        assert isinstance(outcome, Failure)
        return outcome


@pytest.fixture(scope="module")
def patient() -> Iterator[Patient]:
    with sick_proxy.sick_proxy(lambda client: found.behaviour(client)) as address, ExitStack() as stack:
        ports = (NOBODY, int(address.rpartition(":")[2]))
        workers = {}
        for browser in ("", "chrome"):
            options = {EVERY_SITE: YtdlpOptions(impersonate=browser)}
            settings = WorkerSettings(proxy_ports=ports, only_proxies=True, options=options)
            workers[browser] = stack.enter_context(LoneWorker.spawn(settings))
        found = Patient(address, workers)
        yield found


@pytest.mark.parametrize(
    ("scheme", "kind", "behaviour"), CASES, ids=[f"{scheme} {kind}" for scheme, kind, _ in CASES]
)
def test_the_proxy_is_blamed(
    patient: Patient, scheme: str, kind: str, behaviour: Callable[..., None]
) -> None:
    patient.behaviour = behaviour
    secret = "user:secret@" if "wrong" in kind else ""
    found = patient.failure(f"{scheme}://{secret}{patient.address}")
    assert found.code is Code.PROXY, found
    assert call_result_of(found) is CallResult.IGNORED, "no breaker of a site counts it"
    assert not any(visit.failed for visit in found.usage.elsewhere)
    assert "secret" not in found.message


@pytest.mark.parametrize(
    ("scheme", "behaviour"),
    [
        ("socks5", sick_proxy.takes_no_password),
        ("socks5h", sick_proxy.hangs),
        ("http", sick_proxy.resets),
        ("http", sick_proxy.answers_with_a_page),
    ],
)
def test_so_it_is_where_a_browser_asks(patient: Patient, scheme: str, behaviour: Callable[..., None]) -> None:
    patient.behaviour = behaviour
    found = patient.failure(f"{scheme}://user:secret@{patient.address}", browser="chrome")
    assert found.code is Code.PROXY, found
    assert "secret" not in found.message


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_one_that_nobody_runs(patient: Patient, scheme: str) -> None:
    assert patient.failure(f"{scheme}://127.0.0.1:{NOBODY}").code is Code.PROXY


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("http://html5.example/", 407, Code.UPSTREAM_ERROR),
        (SITE, 407, Code.BLOCKED_TARGET),
        (SITE, 429, Code.BLOCKED_TARGET),
        (SITE, 302, Code.BLOCKED_TARGET),
    ],
)
def test_a_living_proxy_is_not_blamed_for_what_it_says_of_a_site(
    patient: Patient, url: str, status: int, code: Code
) -> None:
    patient.behaviour = sick_proxy.refuses_the_site(status)
    found = patient.failure(f"http://{patient.address}", url)
    assert found.code is code, found


def test_a_site_that_a_living_proxy_does_not_reach(patient: Patient) -> None:
    patient.behaviour = sick_proxy.finds_no_site
    found = patient.failure(f"socks5://{patient.address}")
    assert found.code is Code.UPSTREAM_NETWORK
    assert call_result_of(found) is CallResult.FAILURE
