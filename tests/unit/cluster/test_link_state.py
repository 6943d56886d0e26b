"""Pure: when the engine is tried again."""

from __future__ import annotations

from service.cluster.link_state import FIRST, LONGEST, STEADY, LinkState


def test_pauses_double_up_to_a_bound() -> None:
    state = LinkState()
    pauses = [state.lost("refused", float(now)) for now in range(10)]
    assert pauses[:3] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert pauses[-1] == LONGEST
    assert state.losses == 0  # it was never up
    assert not state.is_up


def test_an_engine_that_greets_and_hangs_is_asked_ever_less_often() -> None:
    state, now, pauses = LinkState(), 0.0, []
    for _ in range(5):
        state.came_up(now)
        now += 0.25
        pauses.append(state.lost("late", now))
    assert pauses == [FIRST * 2**turn for turn in range(5)]
    assert state.losses == 5


def test_a_steady_link_is_back_soon() -> None:
    state = LinkState()
    for now in range(10):
        state.lost("refused", float(now))
    state.came_up(100.0)
    assert state.is_up
    assert state.lost("late", 100.0 + STEADY) == FIRST
    assert state.problem == "late"
