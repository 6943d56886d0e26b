"""A dead egress proxy is blamed, and so is a dead site behind a living one. Contract: real sockets."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from service.breaker.classification import call_result_of
from service.codes import CallResult, Code
from service.wire import Failure, Job, Kind, WorkerSettings
from tests.support import sick_proxy
from tests.support.lone_worker import LoneWorker

SITE = "https://html5.example/"
CASES = [
    *(("socks5", kind, behaviour) for kind, behaviour in sick_proxy.SOCKS.items()),
    ("socks5h", "wrong password", sick_proxy.takes_no_password),
    *(("http", kind, behaviour) for kind, behaviour in sick_proxy.HTTP.items()),
]


def through(proxy: str, url: str = SITE) -> Failure:
    with LoneWorker.spawn(WorkerSettings(proxy=proxy)) as worker:
        outcome = worker.run(Job(Kind.EXTRACT, url), timeout=1.0)
    assert isinstance(outcome, Failure)
    return outcome


@pytest.mark.parametrize(
    ("scheme", "kind", "behaviour"), CASES, ids=[f"{scheme} {kind}" for scheme, kind, _ in CASES]
)
def test_the_proxy_is_blamed(scheme: str, kind: str, behaviour: Callable[..., None]) -> None:
    with sick_proxy.sick_proxy(behaviour) as address:
        found = through(f"{scheme}://user:secret@{address}" if "wrong" in kind else f"{scheme}://{address}")
    assert found.code is Code.PROXY, found
    assert call_result_of(found) is CallResult.IGNORED, "no breaker of a site counts it"
    assert not any(visit.failed for visit in found.usage.elsewhere)
    assert "secret" not in found.message


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_one_that_nobody_runs(scheme: str) -> None:
    assert through(f"{scheme}://127.0.0.1:9").code is Code.PROXY


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("http://html5.example/", 407, Code.UPSTREAM_ERROR),
        (SITE, 407, Code.BLOCKED_TARGET),
        (SITE, 429, Code.BLOCKED_TARGET),
        (SITE, 302, Code.BLOCKED_TARGET),
    ],
)
def test_a_living_proxy_is_not_blamed_for_what_it_says_of_a_site(url: str, status: int, code: Code) -> None:
    with sick_proxy.sick_proxy(sick_proxy.refuses_the_site(status)) as address:
        found = through(f"http://{address}", url)
    assert found.code is code, found


def test_a_site_that_a_living_proxy_does_not_reach() -> None:
    with sick_proxy.sick_proxy(sick_proxy.finds_no_site) as address:
        found = through(f"socks5://{address}")
    assert found.code is Code.UPSTREAM_NETWORK
    assert call_result_of(found) is CallResult.FAILURE
