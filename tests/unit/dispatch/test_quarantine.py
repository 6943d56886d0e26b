"""URLs that kill workers. Pure."""

from __future__ import annotations

import pytest

from service.codes import Code
from service.dispatch.quarantine import Quarantine, Quarantined
from service.errors import ExtractionError

URL = "https://poison.example/"


def test_scenario_27_a_url_that_killed_two_workers_is_refused() -> None:
    quarantine = Quarantine(sentence=60)
    quarantine.check(URL, now=0)
    assert not quarantine.killed(URL, now=0)
    quarantine.check(URL, now=1)
    assert quarantine.killed(URL, now=1)
    with pytest.raises(ExtractionError) as caught:
        quarantine.check(URL, now=11)
    assert caught.value.code is Code.QUARANTINED
    assert caught.value.retry_after == 50
    quarantine.check("https://poison.example/another", now=11)


def test_scenario_27_one_job_may_kill_both() -> None:
    quarantine = Quarantine()
    assert quarantine.killed(URL, now=0, workers=2)
    assert not quarantine.killed(URL, now=1)  # it was quarantined before
    assert [entry.deaths for entry in quarantine.listed(now=1)] == [3]


def test_scenario_27_it_expires() -> None:
    quarantine = Quarantine(sentence=60)
    quarantine.killed(URL, now=0, workers=2)
    assert quarantine.listed(now=59) == (Quarantined(URL, 2, 1),)
    quarantine.check(URL, now=60)
    assert quarantine.listed(now=60) == ()
    assert not quarantine.killed(URL, now=60)  # it starts anew


def test_a_lone_death_is_forgotten_too() -> None:
    quarantine = Quarantine(sentence=60)
    quarantine.killed(URL, now=0)
    assert not quarantine.killed(URL, now=61)


def test_clearing_one_or_all() -> None:
    quarantine = Quarantine()
    for number in range(3):
        quarantine.killed(f"{URL}{number}", now=0, workers=2)
    assert quarantine.clear(f"{URL}0") == 1
    assert quarantine.clear(f"{URL}0") == 0
    assert quarantine.clear() == 2
    assert quarantine.listed(now=0) == ()


def test_it_is_bounded_and_forgets_the_oldest() -> None:
    quarantine = Quarantine(places=2)
    for number in range(3):
        quarantine.killed(f"{URL}{number}", now=number, workers=2)
    assert [entry.url for entry in quarantine.listed(now=3)] == [f"{URL}1", f"{URL}2"]
