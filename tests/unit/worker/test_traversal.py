"""Pure: the faster traverse_obj returns what yt-dlp's own returns, for every kind of path."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from http.cookies import SimpleCookie
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yt_dlp.utils import ExtractorError, int_or_none, require, str_or_none

from service.worker.patches.traversal import slow_traverse_obj, traverse_obj

from ...support.effort import examples

_names = st.sampled_from(["a", "b", "c", "url"])
_leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 3), st.sampled_from(["", "x", "7", "a"]), st.floats(0, 1)
)
_objects: st.SearchStrategy[Any] = st.recursive(
    st.one_of(_leaves, st.just({}), st.just([])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(_names, inner, max_size=3),
        st.lists(inner, max_size=2).map(tuple),
    ),
    max_leaves=12,
)


def _has_a(_: object, value: Any) -> Any:
    return value["a"]


def _first(key: Any, _: object) -> bool:
    return key in (0, "a")


def _explodes(value: Any) -> Any:
    if value == 3:
        raise RuntimeError("not swallowed")
    return value


class _Filter:
    def method(self, key: object, value: object) -> bool:
        return value == 1

    def __call__(self, key: object) -> bool:
        return True


@functools.wraps(_has_a)
def _wrapped(*args: Any) -> Any:
    return _has_a(*args)


_filters: list[Callable[..., Any]] = [
    lambda key, value, more=1: more,
    lambda *both: both[1],
    lambda key: True,
    lambda key, value, more: True,
    lambda key, value, *, more: True,
    lambda key, value, *, more=None: value,
    lambda: True,
    lambda key, /, value=3: value,
    isinstance,
    min,
    str,
    _Filter(),
    _Filter().method,
    _Filter.method,
    functools.partial(_has_a, None),
    functools.partial(lambda _, key, value: value, 1),
    _wrapped,
]
_functions: list[Callable[..., Any]] = [
    int_or_none,
    str_or_none,
    len,
    str.upper,
    _explodes,
    require("a thing"),
]
_keys = st.recursive(
    st.one_of(
        _names,
        _names,
        st.integers(-2, 2),
        st.sampled_from(_filters),
        st.sampled_from([None, ..., _has_a, _first, any, all, filter, b"a", 1.5, True]),
        st.sampled_from([slice(1), slice(None, None, -1), slice(0, 0)]),
        st.sampled_from([{str}, {int}, {dict}, {list, str}]),
        st.sampled_from(_functions).map(lambda function: {function}),
    ),
    lambda inner: st.one_of(
        st.dictionaries(_names, st.one_of(inner, st.lists(inner, max_size=2).map(tuple)), max_size=2),
        st.lists(st.one_of(inner, st.lists(inner, max_size=2).map(tuple)), max_size=2).map(tuple),
        st.lists(inner, max_size=2),
    ),
    max_leaves=4,
)
_paths = st.lists(st.one_of(_names, _keys, st.lists(_keys, max_size=4).map(tuple)), max_size=3)
_options = st.fixed_dictionaries(
    {},
    optional={
        "default": st.sampled_from([None, "nothing", []]),
        "expected_type": st.sampled_from([None, str, int, (str, int), dict, int_or_none, _explodes]),
        "get_all": st.booleans(),
        "casesense": st.booleans(),
        "traverse_string": st.booleans(),
    },
)


def outcome(function: Callable[..., Any], *args: Any, **options: Any) -> tuple[Any, ...]:
    """What a call comes to, types included: 1, 1.0 and True are equal."""
    try:
        return "returned", repr(function(*args, **options))
    except Exception as error:
        return type(error), str(error)


@examples(500)
@given(_objects, _paths, _options)
@example({"a": [{"b": 1}, {}, None]}, [("a", ..., "b")], {"get_all": False})
@example({"a": [3, 2]}, [("a", ..., {_explodes}, any)], {})
@example([], [(..., "a")], {"default": "nothing"})
@example(None, [b"a"], {})
@example({"a": {}}, [("a", {"b": "c"}), "a"], {})
def test_any_json(obj: Any, paths: list[Any], options: dict[str, Any]) -> None:
    assert outcome(traverse_obj, obj, *paths, **options) == outcome(slow_traverse_obj, obj, *paths, **options)


@pytest.mark.parametrize("index", range(len(_filters)))
@pytest.mark.parametrize("obj", [{"a": 1, "b": {"a": 2}}, [1, {"a": 2}], [], None, 7, "text"])
def test_a_filter_has_to_take_a_key_and_a_value(obj: Any, index: int) -> None:
    accepts = _filters[index]
    for path in (accepts, ("b", accepts), (..., accepts), (("a", accepts),), {"n": accepts}, (accepts, any)):
        assert outcome(traverse_obj, obj, path) == outcome(slow_traverse_obj, obj, path)


_MATCH = re.match("(?P<a>x)(y)?", "xy")
_ELEMENT = fromstring("<r k='v'><a>1</a><a>2</a><b><url>u</url></b></r>")
_MORSEL = SimpleCookie("a=1; Path=/")["a"]


@pytest.mark.parametrize(
    "unusual", [_MATCH, _ELEMENT, _MORSEL, {"x", "y"}, range(3), "text", b"bytes", object]
)
@pytest.mark.parametrize(
    "path",
    [
        "a", 0, 1, 7, ..., slice(1), "b/url", "@k", "a/text()", "value", _first, (..., "a"), (_first, {str}),
        ({"n": "a"}), (("a", 1),), (..., any), (..., all, {len}), {len},
    ],
)  # fmt: skip
def test_what_is_no_json(unusual: Any, path: Any) -> None:
    for obj, way in (
        (unusual, path),
        ({"it": [unusual, unusual]}, ("it", ..., path)),
        ([unusual], (0, path)),
    ):
        assert outcome(traverse_obj, obj, way) == outcome(slow_traverse_obj, obj, way)


def test_what_is_not_needed_is_not_looked_at() -> None:
    """Some extractors traverse generators of which each step is a request."""
    for function in (traverse_obj, slow_traverse_obj):
        numbers = iter(range(10))
        assert function(numbers, (..., any)) == 0
        assert next(numbers) == 1
        assert function(numbers, ..., get_all=False) == 2
        assert next(numbers) == 3


def test_a_requirement_of_the_last_path_only_is_one() -> None:
    for function in (traverse_obj, slow_traverse_obj):
        assert function({"b": 1}, ("a", {require("a")}), "b") == 1
        with pytest.raises(ExtractorError, match="Unable to extract a"):
            function({"b": 1}, "c", ("a", {require("a")}))
