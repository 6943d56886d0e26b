"""Pure tests of the egress pool: jars that keep their egress, and what is remembered."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from service.egress.egress import Egress
from service.egress.pool import KNOWN_PLACES, EgressPool

SITE = "site.test"


def pool(*names: str) -> EgressPool:
    egresses = [Egress(name, f"class-{name}", identity=name) for name in names]
    return EgressPool(egresses, draw=random.Random(14), secret=b"s" * 16)


def name_for(it: EgressPool, jar: str) -> str:
    found = it.choose(SITE, 0.0, jar=jar)
    assert found is not None
    return found.name


@given(st.lists(st.text(st.characters(exclude_characters="\n"), max_size=20), max_size=5), st.randoms())
def test_a_jar_keeps_its_egress_in_whatever_order_its_cookies_come(
    cookies: list[str], draw: random.Random
) -> None:
    mixed = draw.sample(cookies, len(cookies))
    assert name_for(pool(*"abcde"), "\n".join(cookies)) == name_for(pool(*"abcde"), "\n".join(mixed))


@given(st.text(max_size=40))
def test_a_new_egress_takes_over_its_part_of_the_jars_only(jar: str) -> None:
    before, after = name_for(pool(*"abcd"), jar), name_for(pool(*"abcde"), jar)
    assert after in (before, "e")


def test_jars_are_spread_by_weight() -> None:
    egresses = [Egress("light", identity="light"), Egress("heavy", identity="heavy", weight=3.0)]
    it = EgressPool(egresses, secret=b"s" * 16)
    names = [name_for(it, f"jar {number}") for number in range(1000)]
    assert 680 < names.count("heavy") < 820


def test_the_places_of_the_latest_urls_are_remembered() -> None:
    it = pool("a", "b")
    it.remember_place("first", "class-b")
    for _ in range(20):
        found = it.choose(SITE, 0.0, url="first")
        assert found is not None
        assert found.name == "b"
    for number in range(KNOWN_PLACES):
        it.remember_place(str(number), "class-a")
    names = {found.name for _ in range(50) if (found := it.choose(SITE, 0.0, url="first")) is not None}
    assert names == {"a", "b"}


def test_a_pause_holds_at_its_egress_only() -> None:
    it = EgressPool([Egress("a", identity="a"), Egress("b", identity="b")])
    it.pause("a", SITE, 5.0, 0.0)
    it.pause("unknown", SITE, 9.0, 0.0)
    waits = [it.paces(Egress(name)).pace(SITE, 0.0).wait(0.0) for name in "ab"]
    assert waits == [5.0, 0.0]
