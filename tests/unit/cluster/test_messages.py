"""Pure: what an instance tells of itself, and what is believed of another's words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cluster.messages import LONGEST_MEMBER, Member

ME = Member(
    id="a1",
    name="one:3000",
    version="1.0.0",
    ytdlp="2026.8.19",
    phase="ready",
    uptime=12.5,
    workers=2,
    busy=1,
    queue=0,
    jobs=7,
    hits=3,
    misses=4,
    shared_hits=1,
    breakers={"example.com": "OPEN"},
)


def decode(data: object) -> Member | None:
    return Member.read(data, LONGEST_MEMBER)


def test_it_comes_back() -> None:
    assert decode(ME.model_dump_json().encode()) == ME


def test_a_newer_instance_may_tell_more() -> None:
    assert decode(json.dumps(ME.model_dump() | {"mood": "good"}).encode()) == ME


@pytest.mark.parametrize(
    "changed",
    [
        {"workers": -1},
        {"uptime": "long"},
        {"breakers": {str(number): "OPEN" for number in range(100)}},
        {"name": "x" * 301},
    ],
)
def test_what_is_not_as_it_should_be_is_left_out(changed: dict[str, object]) -> None:
    assert decode(json.dumps(ME.model_dump() | changed).encode()) is None


@given(st.binary(max_size=100) | st.text() | st.none() | st.integers())
def test_garbage_is_nobody(garbage: object) -> None:
    assert decode(garbage) is None


def test_a_long_word_is_not_read() -> None:
    assert decode(ME.model_dump_json().encode() + b" " * LONGEST_MEMBER) is None
