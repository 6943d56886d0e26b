"""Patches of FormatSorter: the preference of a field's value, the same for most formats of a video."""

from __future__ import annotations

from typing import Any, NamedTuple

from yt_dlp.utils import FormatSorter

from ._patch import Patch

slow_calculate_field_preference = FormatSorter._calculate_field_preference
_MISSING = object()


class _Field(NamedTuple):
    """How a sorter reads one of its fields from a format, and the preferences computed so far."""

    kind: str
    key: str
    several: tuple[str, ...]
    choose: Any
    worth: dict[Any, Any]


def calculate_field_preference(self: Any, format: dict[str, Any], field: str) -> Any:
    """FormatSorter._calculate_field_preference, computed once for each value of a field."""
    fields = vars(self).setdefault("_fields", {})
    kind, key, several, choose, worth = fields.get(field) or fields.setdefault(field, _field(self, field))
    value = choose(map(format.get, several)) if several else format.get(key)
    try:
        found = worth.get(value, _MISSING)
    except TypeError:  # it is not hashable
        return self._calculate_field_preference_from_value(format, field, kind, value)
    if found is _MISSING:
        found = self._calculate_field_preference_from_value(format, field, kind, value)
        worth[value] = found
    return found


def _field(sorter: Any, field: str) -> _Field:
    setting = sorter._get_field_setting
    kind, key = setting(field, "type"), setting(field, "field")
    if kind != "multiple":
        return _Field(kind, key, (), None, {})
    several = tuple(setting(one, "field") for one in key)
    return _Field("field", "", several, setting(field, "function"), {})


PATCHES = (
    Patch(
        slow_calculate_field_preference,
        calculate_field_preference,
        "5831bc23ec0b188f",
        (FormatSorter._calculate_field_preference_from_value,),
        holder=FormatSorter,
    ),
)
