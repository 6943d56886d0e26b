"""Pure: a breaker that opens because other instances have opened theirs, and one that they may go by."""

from __future__ import annotations

import pytest

from service.breaker.machine import Breaker, Change
from service.breaker.settings import Mode
from tests.support.breaker_story import FAILURE, SUCCESS, admitted, call, half_open, story, tripped


def adopted() -> Breaker:
    """The breaker that opened at 1 after others, until 4."""
    breaker = Breaker(story())
    breaker.adopt(4.0, 1.0)
    assert breaker.take_changes() == [Change("CLOSED", "OPEN", "other instances have opened it")]
    return breaker


def test_it_is_open_until_then_and_probes_by_itself() -> None:
    breaker = adopted()
    assert breaker.admit(3.9) is None
    assert breaker.retry_after(3.9) == pytest.approx(0.1)
    for _ in range(2):
        assert admitted(breaker, 4.0).is_probe
    assert breaker.admit(4.0) is None


def test_it_recovers_by_itself_and_does_not_follow_again_at_once() -> None:
    breaker = adopted()
    for _ in range(2):
        call(breaker, SUCCESS, 4.0)
    breaker.adopt(20.0, 8.9)
    assert breaker.label == "CLOSED"
    breaker.adopt(20.0, 9.0)
    assert breaker.label == "OPEN"


def test_a_failed_probe_is_evidence_of_its_own() -> None:
    breaker = adopted()
    assert breaker.vote(2.0) == 0.0
    call(breaker, FAILURE, 4.0)
    assert breaker.vote(4.0) == pytest.approx(5.0)  # as long as after a first trip


def test_a_vote_lasts_as_long_as_the_cooldown() -> None:
    breaker, _ = tripped()
    assert breaker.vote(2.0) == pytest.approx(4.0)
    assert breaker.vote(6.0) == 0.0


def test_an_open_or_half_open_one_does_not_follow() -> None:
    breaker, _ = tripped()
    breaker.adopt(100.0, 2.0)
    assert breaker.retry_after(2.0) == pytest.approx(4.0)
    breaker, _ = half_open()
    breaker.adopt(100.0, 7.0)
    assert breaker.label == "HALF_OPEN"


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.AUTOMATIC])
def test_an_operator_s_mode_neither_follows_nor_votes(mode: Mode) -> None:
    breaker = Breaker(story())
    breaker.set_mode(mode, 0.0)
    breaker.adopt(100.0, 50.0)
    assert breaker.label == mode
    assert breaker.vote(50.0) == 0.0


@pytest.mark.parametrize("order", ["reset", "close"])
def test_what_an_operator_has_closed_others_do_not_open(order: str) -> None:
    breaker, _ = tripped()
    getattr(breaker, order)(2.0)
    assert breaker.vote(2.0) == 0.0
    breaker.adopt(10.0, 2.5)
    assert breaker.label == "CLOSED"


def test_it_follows_for_no_longer_than_it_would_ever_be_open() -> None:
    breaker = Breaker(story(retry_after_cap=30.0))
    breaker.adopt(1e9, 0.0)
    assert breaker.retry_after(0.0) == pytest.approx(40.0)  # its cooldown_cap
    breaker = Breaker(story())
    breaker.adopt(1.0, 1.0)
    assert breaker.label == "CLOSED"
