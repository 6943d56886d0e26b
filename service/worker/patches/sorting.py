"""Patches of FormatSorter: the preference of a field's value, the same for most formats of a video."""

from __future__ import annotations

from typing import Any, NamedTuple

from yt_dlp.utils import FormatSorter

from ._patch import Patch

slow_calculate_preference = FormatSorter.calculate_preference
_MISSING = object()


class _Field(NamedTuple):
    """How a sorter reads one of its fields from a format, and the preferences computed so far."""

    name: str
    kind: str
    key: str
    several: tuple[str, ...]
    choose: Any
    worth: dict[Any, Any]


def calculate_preference(self: Any, format: dict[str, Any]) -> Any:
    """FormatSorter.calculate_preference, computed once for each value of a field."""
    self._fill_sorting_fields(format)
    fields = vars(self).get("_fields")
    if fields is None:
        fields = self._fields = [_field(self, name) for name in self._order]
    get = format.get
    worths = []
    for name, kind, key, several, choose, worth in fields:
        value = choose(map(get, several)) if several else get(key)
        try:
            found = worth.get(value, _MISSING)
            if found is _MISSING:
                found = worth[value] = self._calculate_field_preference_from_value(format, name, kind, value)
        except TypeError:  # it is not hashable, or not comparable; the second is raised again
            found = self._calculate_field_preference_from_value(format, name, kind, value)
        worths.append(found)
    return tuple(worths)


def _field(sorter: Any, name: str) -> _Field:
    setting = sorter._get_field_setting
    kind, key = setting(name, "type"), setting(name, "field")
    if kind != "multiple":
        return _Field(name, kind, key, (), None, {})
    several = tuple(setting(one, "field") for one in key)
    return _Field(name, "field", "", several, setting(name, "function"), {})


PATCHES = (
    Patch(
        slow_calculate_preference,
        calculate_preference,
        "e088d6e46916431c",
        (FormatSorter._calculate_field_preference, FormatSorter._calculate_field_preference_from_value),
        holder=FormatSorter,
    ),
)
