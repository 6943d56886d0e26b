"""Changes everything in extractors' modules and classes, and reports what a restored snapshot missed.

    python -m tests.support.tampering

It runs in its own process, because it breaks yt-dlp. It is independent of the code of state.py.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import types
from collections.abc import Iterator
from typing import Any

from yt_dlp import extractor as extractors

from service.worker import state

TABLES = ("_extractors", "extractors", "lazy_extractors")
EXAMPLES = ("_TEST", "_TESTS", "_WEBPAGE_TESTS")
CONTAINERS = (dict, list, set, bytearray)
NEW = "_A_TOKEN_OF_THIS_JOB"


def modules() -> Iterator[types.ModuleType]:
    """Every module of an extractor that can be imported here."""
    for found in pkgutil.walk_packages(extractors.__path__, f"{extractors.__name__}."):
        if not found.name.endswith(TABLES):
            yield importlib.import_module(found.name)


def holders(module: types.ModuleType) -> Iterator[Any]:
    """The module and its classes, those within classes too."""
    todo: list[Any] = [module]
    while todo:
        holder = todo.pop()
        yield holder
        inner = vars(holder).values()
        todo += {
            value for value in inner if isinstance(value, type) and value.__module__ == module.__name__
        } - {holder}


def is_state(name: str, value: object) -> bool:
    """Whether a job may well change this: neither Python's own nor an example nor a member of an enum."""
    own = name.startswith("__") or name in EXAMPLES or isinstance(value, types.MemberDescriptorType)
    return not own and not isinstance(value, (property, types.GetSetDescriptorType))


def shape(value: Any) -> Any:
    """`value` in a form that tells any change of it, in place or not."""
    if isinstance(value, dict):
        return [(key, shape(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [shape(item) for item in value]
    if isinstance(value, (set, bytearray)):
        return sorted(map(repr, value))
    return id(value)


def mutate(value: Any) -> int:
    """Change every container in `value` in place; returns their number."""
    if isinstance(value, tuple):
        return sum(map(mutate, value))
    if not isinstance(value, CONTAINERS):
        return 0
    inner = 0
    if isinstance(value, dict):
        inner = sum(map(mutate, [*value.values()]))
        for key in [*value][:1]:
            value[key] = NEW
        value[NEW] = {NEW: NEW}
    elif isinstance(value, list):
        inner = sum(map(mutate, value))
        value.append(NEW)
    elif isinstance(value, set):
        value.add(NEW)
    else:
        value.extend(b"new")
    return 1 + inner


def main() -> None:
    """Tamper with each module in turn, restore, and print what was done and what is left."""
    found = {id(module): module for module in modules()}.values()
    snapshot = state.Snapshot()
    mutations = rebinds = 0
    left: list[str] = []
    for module in found:
        things = {id(holder): holder for holder in holders(module)}.values()
        before = [
            (holder, name, value, shape(value))
            for holder in things
            for name, value in vars(holder).items()
            if is_state(name, value)
        ]
        names = [(holder, {*vars(holder)}) for holder in things]

        for _, _, value, _ in before:
            mutations += mutate(value)
        snapshot.restore((module.__name__,))
        left += [f"mutated {holder}.{name}" for holder, name, value, was in before if shape(value) != was]

        for index, (holder, name, _, _) in enumerate(before):
            change = type if isinstance(holder, type) else types.ModuleType
            if index % 3:
                change.__setattr__(holder, name, NEW)
            else:
                change.__delattr__(holder, name)
            rebinds += 1
        for holder in things:
            change = type if isinstance(holder, type) else types.ModuleType
            change.__setattr__(holder, NEW, NEW)
        snapshot.restore((module.__name__,))
        left += [f"rebound {h}.{name}" for h, name, value, _ in before if vars(h).get(name) is not value]
        left += [f"new in {holder}" for holder, known in names if {*vars(holder)} != known]
    print(json.dumps({"modules": len(found), "mutations": mutations, "rebinds": rebinds, "left": left}))


if __name__ == "__main__":
    main()
