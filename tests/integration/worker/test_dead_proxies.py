"""A dead egress proxy is blamed, and so is a dead site behind a living one. Contract: real sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from service.breaker.classification import call_result_of
from service.codes import CallResult, Code
from service.wire import Failure, Job, Kind, WorkerSettings
from service.ytdlp_options import EVERY_SITE, NO_OPTIONS, YtdlpOptions
from tests.support import sick_proxy
from tests.support.lone_worker import LoneWorker

SITE = "https://html5.example/"
CASES = [
    *(("socks5", kind, behaviour) for kind, behaviour in sick_proxy.SOCKS.items()),
    ("socks5h", "wrong password", sick_proxy.takes_no_password),
    *(("http", kind, behaviour) for kind, behaviour in sick_proxy.HTTP.items()),
]


BROWSER = {EVERY_SITE: YtdlpOptions(impersonate="chrome")}


def through(proxy: str, options: Mapping[str, YtdlpOptions] = NO_OPTIONS) -> Failure:
    with LoneWorker.spawn(WorkerSettings(proxy=proxy, options={**options})) as worker:
        outcome = worker.run(Job(Kind.EXTRACT, SITE), timeout=1.0)
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


@pytest.mark.parametrize(
    ("scheme", "behaviour"),
    [
        ("socks5", sick_proxy.takes_no_password),
        ("socks5h", sick_proxy.hangs),
        ("http", sick_proxy.resets),
        ("http", sick_proxy.answers_with_a_page),
    ],
)
def test_so_it_is_where_a_browser_asks(scheme: str, behaviour: Callable[..., None]) -> None:
    with sick_proxy.sick_proxy(behaviour) as address:
        found = through(f"{scheme}://user:secret@{address}", BROWSER)
    assert found.code is Code.PROXY, found
    assert "secret" not in found.message


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_one_that_nobody_runs(scheme: str) -> None:
    assert through(f"{scheme}://127.0.0.1:9").code is Code.PROXY


def test_a_site_that_a_living_proxy_does_not_reach() -> None:
    with sick_proxy.sick_proxy(sick_proxy.finds_no_site) as address:
        found = through(f"socks5://{address}")
    assert found.code is Code.UPSTREAM_NETWORK
    assert call_result_of(found) is CallResult.FAILURE
