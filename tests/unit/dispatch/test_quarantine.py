"""URLs that kill workers. Pure."""

from __future__ import annotations

import pytest

from service.codes import Code
from service.dispatch.quarantine import CLIENTS, Quarantine, Quarantined
from service.errors import ExtractionError

URL = "https://poison.example/"
TWO = ("SIGSEGV", "SIGKILL")


def refused(quarantine: Quarantine, client: str, now: float = 0.0, *, cookies: bool = False) -> bool:
    try:
        quarantine.check(URL, client, now, cookies=cookies)
    except ExtractionError:
        return True
    return False


def test_scenario_27_a_url_that_killed_two_workers_is_refused() -> None:
    quarantine = Quarantine(sentence=60)
    assert not refused(quarantine, "a")
    assert not quarantine.killed(URL, "a", 0, TWO[:1])
    assert not refused(quarantine, "a", 1)
    assert quarantine.killed(URL, "a", 1, TWO[:1])
    with pytest.raises(ExtractionError) as caught:
        quarantine.check(URL, "a", now=11)
    assert caught.value.code is Code.QUARANTINED
    assert caught.value.retry_after == 50
    quarantine.check("https://poison.example/another", "a", now=11)


def test_scenario_27_one_job_may_kill_both() -> None:
    quarantine = Quarantine()
    assert quarantine.killed(URL, "a", 0, TWO)
    assert not quarantine.killed(URL, "a", 1, TWO[:1])  # it was quarantined before
    assert [entry.deaths for entry in quarantine.listed(now=1)] == [3]


def test_one_client_closes_a_url_to_itself_alone() -> None:
    quarantine = Quarantine()
    for _ in range(10):
        quarantine.killed(URL, "a", 0, TWO)
    assert refused(quarantine, "a")
    assert not refused(quarantine, "b")


def test_several_clients_close_it_to_all() -> None:
    quarantine = Quarantine()
    closed = [quarantine.killed(URL, f"client {number}", 0, TWO[:1]) for number in range(CLIENTS)]
    assert closed == [False] * (CLIENTS - 1) + [True]
    assert refused(quarantine, "another")
    (entry,) = quarantine.listed(now=0)
    assert (entry.for_all, entry.clients, entry.deaths) == (True, CLIENTS, CLIENTS)


def test_jobs_with_cookies_count_for_themselves() -> None:
    quarantine = Quarantine()
    for number in range(2 * CLIENTS):
        assert quarantine.killed(URL, f"client {number}", 0, TWO, cookies=True)
    assert refused(quarantine, "client 0", cookies=True)
    assert not refused(quarantine, "another", cookies=True)
    assert not refused(quarantine, "client 0")
    assert {(entry.cookies, entry.for_all, entry.clients) for entry in quarantine.listed(now=0)} == {
        (True, False, 1)
    }
    assert quarantine.clear(URL) == 1


def test_scenario_27_it_expires() -> None:
    quarantine = Quarantine(sentence=60)
    quarantine.killed(URL, "a", 0, TWO)
    causes = (("SIGSEGV", 1), ("SIGKILL", 1))
    assert quarantine.listed(now=59) == (
        Quarantined(URL, 2, causes, clients=1, for_all=False, cookies=False, seconds_left=1),
    )
    assert not refused(quarantine, "a", 60)
    assert quarantine.listed(now=60) == ()
    assert not quarantine.killed(URL, "a", 60, TWO[:1])  # it starts anew


def test_a_lone_death_is_forgotten_too() -> None:
    quarantine = Quarantine(sentence=60)
    quarantine.killed(URL, "a", 0, TWO[:1])
    assert not quarantine.killed(URL, "a", 61, TWO[:1])


def test_clearing_one_or_all() -> None:
    quarantine = Quarantine()
    for number in range(3):
        quarantine.killed(f"{URL}{number}", "a", 0, TWO)
    assert quarantine.clear(f"{URL}0") == 1
    assert quarantine.clear(f"{URL}0") == 0
    assert quarantine.clear() == 2
    assert quarantine.listed(now=0) == ()


def test_it_is_bounded_and_forgets_the_oldest() -> None:
    quarantine = Quarantine(places=2)
    for number in range(3):
        quarantine.killed(f"{URL}{number}", "a", number, TWO)
    assert [entry.url for entry in quarantine.listed(now=3)] == [f"{URL}1", f"{URL}2"]


def test_deaths_that_are_told_late_end_when_they_would_have() -> None:
    quarantine = Quarantine(sentence=60)
    quarantine.killed("https://another.example/", "a", 50, TWO)
    quarantine.killed(URL, "a", 10, TWO)  # it is behind the other, and ends before it
    assert refused(quarantine, "a", 69)
    assert not refused(quarantine, "a", 71)
    assert [entry.url for entry in quarantine.listed(71)] == ["https://another.example/"]
    assert not quarantine.killed(URL, "a", 71, TWO[:1])  # what has ended does not count
    quarantine.killed(URL, "b", 20, TWO[:1])
    assert [entry.seconds_left for entry in quarantine.listed(72)] == [38]
    assert not refused(quarantine, "a", 131)
    quarantine.killed(URL, "a", 200, TWO)
    quarantine.killed(URL, "a", 150, TWO)
    assert refused(quarantine, "a", 259)
