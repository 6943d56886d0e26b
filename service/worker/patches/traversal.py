"""A faster equivalent of yt-dlp's `traverse_obj`, which was a third of an extraction's CPU.

Nearly all that is traversed is parsed JSON, so each step asks for the exact type first; anything else takes
one step of the original. Paths, laziness and results are the original's; tests/unit/worker/test_traversal.py
holds the two against each other.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FunctionType
from typing import Any, NamedTuple

from yt_dlp.utils import NO_DEFAULT, ExtractorError, is_iterable_like, traversal, try_call, variadic
from yt_dlp.utils.traversal import _RequiredError

from ._patch import Patch

slow_traverse_obj = traversal.traverse_obj
_SWALLOWED = (AttributeError, KeyError, TypeError, IndexError, ValueError, ZeroDivisionError)  # by try_call
_ABSENT: tuple[Any, ...] = (None, {})
_PLAIN = frozenset({type(None), str, int, float, bool, list, tuple})  # have no text keys


class _Options(NamedTuple):
    """What the caller asked for; `test` is None where every value will do."""

    default: Any
    test: Callable[[Any], Any] | None
    get_all: bool


_USUAL = _Options(NO_DEFAULT, None, True)


def traverse_obj(
    obj: Any,
    *paths: Any,
    default: Any = NO_DEFAULT,
    expected_type: Any = None,
    get_all: bool = True,
    **unusual: Any,
) -> Any:
    """yt_dlp.utils.traverse_obj, faster where `obj` is parsed JSON.

    Raises:
        ExtractorError: a `require` of the last path found nothing.
    """
    if unusual:
        return slow_traverse_obj(
            obj, *paths, default=default, expected_type=expected_type, get_all=get_all, **unusual
        )
    if default is NO_DEFAULT and not expected_type and get_all:
        options = _USUAL
    else:
        options = _Options(default, _test(expected_type), get_all)
    last = len(paths) - 1
    for index, path in enumerate(paths):
        try:
            found = _found(obj, path, options, index == last, True)
        except _RequiredError as error:
            if index == last:
                raise ExtractorError(error.orig_msg, expected=error.expected) from None
            continue
        if found is not None:
            return found
    return None if default is NO_DEFAULT else default


def _test(expected: Any) -> Callable[[Any], Any] | None:
    if isinstance(expected, type):
        return lambda value: value if isinstance(value, expected) else None
    return (lambda value: _called(expected, value)) if expected else None


def _found(obj: Any, path: Any, options: _Options, allow_empty: bool, tested: bool) -> Any:
    """The result of one path; None where it has none.

    Args:
        allow_empty: whether an empty result is one.
        tested: whether `options.test` applies to what the path ends on.
    """
    keys = _keys(path)
    key = None
    for position, key in enumerate(keys, 1):
        kind = type(key)
        if kind is str or kind is int:
            obj = obj.get(key) if type(obj) is dict else None if obj is None else _item(obj, key)
        elif kind is set:
            obj = _conforming(obj, key)
        elif kind is dict:
            obj = _mapped(obj, key, options, position == len(keys))
        elif key is not None:
            break  # from here on there may be any number of objects
    else:
        if tested and options.test is not None and not isinstance(key, (dict, list, tuple)):
            obj = options.test(obj)
        if obj in _ABSENT:
            return {} if allow_empty and isinstance(key, dict) else None
        return obj

    objs, branched, key = _walked((obj,), keys[position - 1 :], options, tested)
    present = (found for found in objs if found not in _ABSENT)
    if options.get_all and branched:
        results = [*present]
        if results or not allow_empty:
            return results or None
        return [] if options.default is NO_DEFAULT else options.default
    for found in present:
        return found
    return {} if allow_empty and isinstance(key, dict) else None


def _walked(
    objs: Iterable[Any], keys: Sequence[Any], options: _Options, tested: bool
) -> tuple[Iterable[Any], bool, Any]:
    """What `keys` lead to from `objs`, whether they branch, and the last of them."""
    branched = False
    key = None
    count = len(keys)
    for position, key in enumerate(keys, 1):
        kind = type(key)
        if kind is str or kind is int:
            objs = [obj.get(key) if type(obj) is dict else _item(obj, key) for obj in objs]
        elif kind is set:
            objs = [_conforming(obj, key) for obj in objs]
        elif kind is dict:
            objs = [_mapped(obj, key, options, position == count) for obj in objs]
        elif key is None:
            objs = [*objs]
        elif key is any:
            branched, objs = False, (next((obj for obj in objs if obj not in _ABSENT), None),)
        elif key is all:
            branched, objs = False, ([obj for obj in objs if obj not in _ABSENT],)
        elif key is filter:
            objs = filter(None, objs)
        else:
            if __debug__ and callable(key):
                _verify(key)
            parts = [_branches(obj, key, options, position == count) for obj in objs]
            branched |= any(branching for branching, _ in parts)
            objs = itertools.chain.from_iterable(results for _, results in parts)
    if tested and options.test is not None and not isinstance(key, (dict, list, tuple)):
        objs = map(options.test, objs)
    return objs, branched, key


def _verify(key: Callable[..., Any]) -> None:
    """Raises what the original does for a filter that does not take a key and a value."""
    plain = type(key) is FunctionType and not vars(key)  # else it may name another signature
    if not plain or key.__code__.co_argcount != 2 or key.__code__.co_kwonlyargcount:
        inspect.signature(key).bind(None, None)


def _branches(obj: Any, key: Any, options: _Options, last: bool) -> tuple[bool, Iterable[Any]]:
    """Whether `key` branches at `obj`, and what it leads to."""
    if isinstance(key, (list, tuple)):
        return True, itertools.chain.from_iterable(
            _walked((obj,), _keys(branch), options, last)[0] for branch in key
        )
    if obj is None and (key is ... or callable(key)):
        return True, ()
    if key is ...:
        if type(obj) is dict:
            return True, obj.values()
        if is_iterable_like(obj):
            return True, obj
    elif callable(key):
        if type(obj) is dict:
            return True, _chosen(key, obj.items())
        if is_iterable_like(obj):
            return True, _chosen(key, enumerate(obj))
    elif type(key) is not slice:
        return False, (_item(obj, key),)
    boxes = slow_traverse_obj(obj, (key, {_boxed}))
    return (True, [value for (value,) in boxes]) if isinstance(boxes, list) else (False, boxes)


def _chosen(key: Callable[[Any, Any], Any], items: Iterable[tuple[Any, Any]]) -> Iterator[Any]:
    for name, value in items:
        try:
            chosen = key(name, value)
        except _SWALLOWED:
            continue
        if chosen:
            yield value


def _mapped(obj: Any, key: dict[Any, Any], options: _Options, last: bool) -> dict[Any, Any] | None:
    mapped = {}
    for name, path in key.items():
        value = _found(obj, path, options, False, last)
        if value is not None:
            mapped[name] = value
        elif options.default is not NO_DEFAULT:
            mapped[name] = options.default
    return mapped or None


def _conforming(obj: Any, key: set[Any]) -> Any:
    item = next(iter(key))
    if len(key) == 1 and not isinstance(item, type):
        return _called(item, obj)
    return obj if isinstance(obj, tuple(key)) else None


def _called(function: Callable[[Any], Any], obj: Any) -> Any:
    try:
        return function(obj)
    except _SWALLOWED:
        return None


def _item(obj: Any, key: Any) -> Any:
    """`obj[key]`, as the original reads it; None where there is none."""
    if type(key) is str and type(obj) in _PLAIN:
        return None
    if type(key) is int and type(obj) is list:
        return obj[key] if -len(obj) <= key < len(obj) else None
    return slow_traverse_obj(obj, (key, {_boxed}))[0]


def _boxed(value: Any) -> tuple[Any]:
    """In a box a value is neither skipped nor taken for the absence of one."""
    return (value,)


def _keys(path: Any) -> Sequence[Any]:
    if type(path) is tuple or type(path) is list:
        return path
    if type(path) is str:
        return (path,)
    return tuple(variadic(path, (str, bytes, dict, set)))


PATCHES = (Patch(slow_traverse_obj, traverse_obj, "e0255732dac30f2f", (variadic, try_call)),)
