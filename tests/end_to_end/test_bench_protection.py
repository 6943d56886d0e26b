"""End-to-end: a short run of `python -m bench protection`, with services that lack one layer each."""

from __future__ import annotations

from bench import protection
from tests.internet import EASY


def test_both_services_extract_and_only_one_is_protected() -> None:
    rows = protection.compare(rounds=1, seconds=0.5, clients=2, sites=EASY)
    for page, row in rows.items():
        assert len(row.rates) == len(row.cpu) == 1, page
        assert min(*row.rates[0], *row.cpu[0]) > 0, page
    table = protection.table(rows)
    assert [line.split(" | ")[0] for line in table.splitlines()[2:]] == ["| YouTube"] * 2 + ["| html5"] * 2
