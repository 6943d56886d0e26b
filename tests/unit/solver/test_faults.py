"""Pure: for how long a script is refused, and with which answer."""

from __future__ import annotations

from service.solver.faults import PLACES, SENTENCE, Faults


def test_what_is_not_understood_is_refused_for_a_while() -> None:
    faults = Faults()
    assert faults.word("a", 0) is None
    word = faults.rejected("a", 0)
    assert word.final  # a worker has the same yt-dlp-ejs
    assert faults.word("a", SENTENCE - 1) == word
    assert faults.word("b", 0) is None
    assert faults.word("a", SENTENCE) is None


def test_what_cannot_be_kept_is_left_to_workers() -> None:
    faults = Faults()
    word = faults.unsteady("a", 0)
    assert not word.final
    assert faults.word("a", 1) == word


def test_one_loss_is_a_mishap_two_are_not() -> None:
    faults = Faults()
    assert faults.lost("a", 0, ready=True) is None
    assert faults.lost("b", 1, ready=True) is None
    assert faults.word("a", 2) is None
    word = faults.lost("a", 2, ready=True)
    assert word is not None
    assert not word.final  # a worker may try
    assert faults.word("a", 3) == word


def test_losses_long_apart_are_two_mishaps() -> None:
    faults = Faults()
    assert faults.lost("a", 0, ready=True) is None
    assert faults.lost("a", SENTENCE + 1, ready=True) is None


def test_what_cannot_be_taken_apart_is_no_task_for_workers() -> None:
    faults = Faults()
    faults.lost("a", 0, ready=False)
    word = faults.lost("a", 1, ready=False)
    assert word is not None
    assert word.final


def test_a_flood_of_scripts_is_forgotten_oldest_first() -> None:
    faults = Faults()
    for number in range(PLACES + 1):
        faults.rejected(str(number), 0)
        faults.lost(str(number), 0, ready=True)
    assert faults.word("0", 1) is None
    assert faults.word("1", 1) is not None
    assert faults.lost("0", 1, ready=True) is None
