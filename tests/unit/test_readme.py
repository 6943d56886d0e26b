"""Pure: what README says of settings and endpoints is what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from service.config import Config
from tests.support.web_app import web

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()


def shown(default: object) -> str:
    if default in (None, (), {}):
        return "\u2013"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


@pytest.mark.parametrize("name", Config.model_fields)
def test_every_setting_is_in_the_table_as_it_is(name: str) -> None:
    label = f"`{name.upper()}`" if name in Config.command_line_names() else f"`[{name}.…]`"
    field = Config.model_fields[name]
    assert f"| {label} | {shown(field.default)} | {field.description} |" in README


def test_every_endpoint_it_names_is_there() -> None:
    known = {re.sub(r"<[^>]*>", "", rule.rule) for rule in web().app.url_map.iter_rules()}
    named = set(re.findall(r"`(?:GET|POST) (/[a-z0-9/-]*)", README))
    assert len(named) >= 8
    assert named <= known
