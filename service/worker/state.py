"""Restores the state of extractors after each job, so that no state outlives its job.

Extractors keep tokens and tables on their classes and in their modules, and seldom check whether a site still
accepts them. In a process per job this does no harm; in a warm worker a token of the first job would fail
every later one. So the template takes a snapshot once it is warm, and a worker restores it after each job.

Data of a site arrives through a downloader, and only an instance of an extractor has one. So a restore looks
only at the modules of the extractors that the job made instances of, and at those that these reach: the
modules of their bases, functions and helpers. Plugins are always included. A walk over all of yt-dlp would
take 10 ms and touch, and so copy, every page that the workers share.

Not restored:
- a value that equals the old one, even if it is another object;
- the examples in `_TESTS`, and the tables of all extractors, which no extraction changes;
- the rest of yt-dlp, which holds no data of a site;
- instances, which end with their YoutubeDL.
"""

from __future__ import annotations

import enum
import functools
import sys
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

from yt_dlp.extractor.common import InfoExtractor

_COMMON = InfoExtractor.__module__
_PLUGINS = "yt_dlp_plugins."
_SITES = (f"{_COMMON.rpartition('.')[0]}.", _PLUGINS)
_TABLES = ("._extractors", ".extractors", ".lazy_extractors")
_EXAMPLES = frozenset(("_TEST", "_TESTS", "_WEBPAGE_TESTS", "__builtins__"))
_CONTAINERS: tuple[Any, ...] = (OrderedDict, dict, list, set, bytearray, deque)


@dataclass(slots=True)
class _Kept:
    """One module's part of the snapshot.

    Attributes:
        owners: the module, its classes, and the containers and objects that they hold.
        live: the namespace or container of each.
        copies: the contents of each at the snapshot; `live == copies` while nothing has changed.
        memos: functions with a cache.
        references: the other modules that its code can reach.
    """

    owners: list[Any] = field(default_factory=list)
    live: list[Any] = field(default_factory=list)
    copies: list[Any] = field(default_factory=list)
    memos: list[Any] = field(default_factory=list)
    references: set[str] = field(default_factory=set)

    def add(self, owner: Any, live: Any, copy: Any) -> None:
        self.owners.append(owner)
        self.live.append(live)
        self.copies.append(copy)

    def restore(self) -> None:
        """Restore what has changed."""
        for memo in self.memos:
            memo.cache_clear()
        if self.live == self.copies:
            return
        for owner, live, copy in zip(self.owners, self.live, self.copies, strict=True):
            if live == copy:
                continue
            kind = _container(owner)
            if kind is not None:
                kind.clear(owner)
                (kind.update if hasattr(kind, "update") else kind.extend)(owner, copy)
            else:
                _restore_namespace(owner, live, copy)


class Snapshot:
    """The contents of the modules and classes of extractors, as they were when it was taken."""

    def __init__(self) -> None:
        self._modules = {name: _keep(module) for name, module in _imported()}
        self._count = len(sys.modules)
        self._always = {_COMMON, *(name for name in self._modules if name.startswith(_PLUGINS))}
        self._reached: dict[str, frozenset[str]] = {}

    def restore(self, used: Iterable[str]) -> None:
        """Restore what a job changed; it made instances of extractors of the modules `used`.

        Raises:
            Exception: something cannot be compared or restored; this process must end.
        """
        names = {*used, *self._always}
        if len(sys.modules) != self._count:
            names |= self._forget_new()
        for name in frozenset().union(*map(self._reach, names)):
            self._modules[name].restore()

    def _reach(self, name: str) -> frozenset[str]:
        """The modules that code of module `name` can reach, itself included."""
        if name not in self._reached:
            seen: set[str] = set()
            todo = {name}
            while todo:
                found = todo.pop()
                if found in self._modules and found not in seen:
                    seen.add(found)
                    todo |= self._modules[found].references
            self._reached[name] = frozenset(seen)
        return self._reached[name]

    def _forget_new(self) -> set[str]:
        """Drop the modules that the job was the first to import; the next job imports them anew.

        Returns the modules that they refer to.
        """
        references: set[str] = set()
        for name, module in _imported():
            if name not in self._modules:
                references |= _keep(module).references
                del sys.modules[name]
                package, _, child = name.rpartition(".")
                if package in sys.modules:
                    vars(sys.modules[package]).pop(child, None)
        self._count = len(sys.modules)
        return references


@functools.cache
def snapshot() -> Snapshot:
    """The snapshot; the first call takes it."""
    return Snapshot()


def _imported() -> list[tuple[str, ModuleType]]:
    """The modules of extractors, by their name."""
    names = [name for name in sys.modules if name.startswith(_SITES) and not name.endswith(_TABLES)]
    return [(name, sys.modules[name]) for name in names]


def _keep(module: ModuleType) -> _Kept:
    """The snapshot of one module with its classes and all their contents."""
    kept = _Kept()
    name = module.__name__
    seen: set[int] = set()
    todo: list[Any] = [module]
    while todo:
        thing = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        kept.references.update(_homes(thing, name))
        if (kind := _container(thing)) is not None:
            kept.add(thing, thing, kind(thing))
            todo += thing.values() if issubclass(kind, dict) else thing
        elif isinstance(thing, (tuple, frozenset)):
            todo += thing
        elif thing is module or _is_own(thing, name):
            namespace = vars(thing)
            kept.add(thing, namespace, dict(namespace))
            todo += (value for key, value in namespace.items() if key not in _EXAMPLES)
        elif isinstance(thing, functools._lru_cache_wrapper):
            kept.memos.append(thing)
        else:
            todo += _inside(thing)
    return kept


def _container(thing: Any) -> Any:
    """The type of mutable container that `thing` is, or None."""
    return next((kind for kind in _CONTAINERS if isinstance(thing, kind)), None)


def _is_own(thing: Any, name: str) -> bool:
    """Whether `thing` is a class of module `name`, or an object of one of yt-dlp's classes."""
    if isinstance(thing, type):
        return thing.__module__ == name
    plain = not isinstance(thing, (ModuleType, enum.Enum)) and hasattr(thing, "__dict__")
    return plain and type(thing).__module__.startswith("yt_dlp")


def _inside(thing: Any) -> Iterator[Any]:
    """What a function keeps between its calls, through all its wrappers."""
    if isinstance(thing, (classmethod, staticmethod)):
        yield thing.__func__
    elif isinstance(thing, property):
        yield from (thing.fget, thing.fset, thing.fdel)
    elif isinstance(thing, functools.cached_property):
        yield thing.func
    elif isinstance(thing, functools.partial):
        yield from (thing.func, thing.args, thing.keywords)
    elif isinstance(thing, FunctionType) and str(thing.__module__).startswith(_SITES):
        yield from (*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values())
        yield from (value for cell in thing.__closure__ or () for value in _content(cell))
        yield from vars(thing).values()


def _content(cell: Any) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:  # the cell is empty
        return ()


def _homes(thing: Any, name: str) -> Iterator[str]:
    """The modules whose code module `name` can run through `thing`."""
    if isinstance(thing, ModuleType):
        yield thing.__name__
    elif isinstance(thing, type):
        # Without an instance, only `ie_key()` and `suitable()` of another module's extractor are called.
        if thing.__module__ == name or not issubclass(thing, InfoExtractor) or name.startswith(_PLUGINS):
            yield from (base.__module__ for base in thing.__mro__)
    elif isinstance(thing, FunctionType):
        yield thing.__module__
    else:
        yield type(thing).__module__


def _restore_namespace(owner: Any, live: Mapping[str, Any], copy: Mapping[str, Any]) -> None:
    change = type if isinstance(owner, type) else object  # bypasses the owner's __setattr__
    for name in live.keys() - copy.keys():
        change.__delattr__(owner, name)
    for name, value in copy.items():
        if live.get(name, copy) is not value:
            change.__setattr__(owner, name, value)
