"""Pure: which questions the solver accepts, and which answers of a script."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.solver import shapes
from service.wire import Challenges, Solution

PLAYER = "https://www.youtube.com/s/player/c9168c90/player_ias.vflset/en_US/base.js"
LETTERS = "".join(map(chr, range(100)))  # what yt-dlp asks for a signature of a hundred letters


@pytest.mark.parametrize(
    "player",
    [
        "https://evil.example/s/player/c9168c90/base.js",
        "https://www.youtube.com.evil.example/s/player/c9168c90/base.js",
        "https://www.youtube.com@evil.example/s/player/c9168c90/base.js",
        "http://www.youtube.com/s/player/c9168c90/base.js",
        "https://www.youtube.com:8443/s/player/c9168c90/base.js",
        "https://www.youtube.com/redirect?to=/s/player/c9168c90/base.js",
        "https://www.youtube.com/s/player/c9168c90/../../../redirect.js",
        "https://www.youtube.com/s/player/c9168c90/base.js?v=1",
        "https://www.youtube.com/s/player/c9168c90/base.js\n",
        "",
    ],
)
def test_scripts_come_from_where_youtube_has_its_players(player: str) -> None:
    assert shapes.objection(Challenges(PLAYER, "", n=("abc",))) is None
    assert shapes.objection(Challenges(player, "", n=("abc",))) is not None


@pytest.mark.parametrize("n", [("",), ("a" * 5000,), tuple(map(str, range(1000)))])
def test_challenges_are_bounded(n: tuple[str, ...]) -> None:
    assert shapes.objection(Challenges(PLAYER, "", n=n)) is not None


def test_an_answer_for_each_challenge() -> None:
    asked = Challenges(PLAYER, "", n=("abc", "def"), sig=(LETTERS,))
    answer = json.dumps({"n": ["c-_9", "fed"], "sig": [LETTERS[50:10:-1]]}).encode()
    answers = shapes.decode(answer, asked)
    assert answers == ({"abc": "c-_9", "def": "fed"}, {LETTERS: LETTERS[50:10:-1]})
    assert shapes.solution(answers, asked) == Solution(*answers)
    assert shapes.solution(answers, Challenges(PLAYER, "", n=("abc",))) == Solution({"abc": "c-_9"})


def test_a_challenge_without_an_answer_says_so() -> None:
    asked = Challenges(PLAYER, "", n=("abc", "def"))
    solution = shapes.solution(shapes.decode(b'{"n": [null, "fed"], "sig": []}', asked), asked)
    assert solution.n == {"def": "fed"}
    assert solution.final
    assert solution.problem


@pytest.mark.parametrize(
    "answer",
    [
        {"n": ["abc&sig=x"], "sig": ["b"]},
        {"n": ["a/../b"], "sig": ["b"]},
        {"n": ["é"], "sig": ["b"]},
        {"n": ["a\n"], "sig": ["b"]},
        {"n": [""], "sig": ["b"]},
        {"n": ["x" * 500], "sig": ["b"]},
        {"n": ["x"], "sig": [""]},
        {"n": ["x"], "sig": ["é"]},  # not a letter of the signature's
        {"n": ["x"], "sig": ["b" * 101]},
        {"n": ["x", "y"], "sig": ["b"]},
        {"n": [], "sig": ["b"]},
        {"n": [1], "sig": ["b"]},
        {"n": [["x"]], "sig": ["b"]},
        {"n": {"abc": "x"}, "sig": ["b"]},
        {"n": ["x"]},
        ["x"],
        "x",
        None,
    ],
)
def test_an_answer_of_another_shape_is_none(answer: object) -> None:
    with pytest.raises(shapes.Misshapen):
        shapes.decode(json.dumps(answer).encode(), Challenges(PLAYER, "", n=("abc",), sig=(LETTERS,)))


@given(
    st.binary(max_size=100) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps)
)
def test_whatever_a_script_says_nothing_else_comes_of_it(answer: Any) -> None:
    data = answer if isinstance(answer, bytes) else answer.encode()
    with pytest.raises(shapes.Misshapen):
        shapes.decode(data, Challenges(PLAYER, "", n=("abc",)))
