"""Pure: a file's kind is read off its docstring, and it lies in the folder of its kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..support.kinds import KINDS, kind_of

TESTS = Path(__file__).parents[1]
FOLDERS = {"unit": {"pure", "collaboration"}, "integration": {"contract"}, "end_to_end": {"end_to_end"}}


@pytest.mark.parametrize(
    ("docstring", "kind"),
    [
        ("Pure: sums.", "pure"),
        ("Sums.\n\nMostly pure, then collaboration.", "collaboration"),
        ("Judgement (pure), and its use (contract: real processes).", "contract"),
        ("End-to-end and pure: the door.", "end_to_end"),
    ],
)
def test_a_file_is_of_the_kind_that_needs_most(tmp_path: Path, docstring: str, kind: str) -> None:
    (tmp_path / "test_it.py").write_text(f'"""{docstring}"""')
    assert kind_of(tmp_path / "test_it.py") == kind


@pytest.mark.parametrize("source", ["", '"""Impurely."""', "PURE = 1  # pure"])
def test_a_file_without_a_kind_is_refused(tmp_path: Path, source: str) -> None:
    (tmp_path / "test_it.py").write_text(source)
    with pytest.raises(ValueError, match=r"test_it\.py: the docstring must name .* pure, collaboration"):
        kind_of(tmp_path / "test_it.py")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_holds_its_kinds(folder: str) -> None:
    assert {kind_of(path) for path in (TESTS / folder).rglob("test_*.py")} == FOLDERS[folder]


def test_each_test_is_marked_with_its_kind(request: pytest.FixtureRequest) -> None:
    assert [mark.name for mark in request.node.iter_markers() if mark.name in KINDS] == ["pure"]
