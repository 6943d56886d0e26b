"""Pure: fleets of up to 200 instances on a Zipf trace; what they save, and what their engine must bear.

`python -m tests.unit.cluster.test_fleet_simulation` prints the figures of docs/fleet.md, in some minutes.
"""

from __future__ import annotations

from functools import cache

from service.cluster import fleet
from tests.support.fleet_simulation import (
    BALANCE,
    HEARTBEAT,
    LIMITS,
    OWN,
    PACKED,
    PLACE,
    POLICIES,
    RESULT,
    TTL,
    VOTES,
    Plan,
    Simulation,
    Tally,
    demand,
    largest,
    steady,
    total,
)
from tests.support.running_service import ROOT

SMALL = 200.0  # seconds, of which the second half counts; less than TTL, so hit ratios are still rising


@cache
def run(plan: Plan, seconds: float = SMALL) -> Tally:
    return Simulation(plan).run(seconds)


def test_the_engine_saves_what_the_instances_own_caches_cannot_hold() -> None:
    alone, together = run(Plan(10, memory=0)), run(Plan(10))
    assert together.hit_ratio > alone.hit_ratio + 0.1


def test_with_an_engine_it_does_not_matter_who_is_asked_and_without_one_it_does() -> None:
    by_hash, in_turn = run(Plan(10)), run(Plan(10, "round robin"))
    assert abs(by_hash.hit_ratio - in_turn.hit_ratio) < 0.01
    assert by_hash.own > 1.4 * in_turn.own
    assert run(Plan(10, memory=0)).hit_ratio > run(Plan(10, "round robin", memory=0)).hit_ratio + 0.1


def test_the_busiest_instance_has_half_as_much_again_at_most() -> None:
    tally = run(Plan(10))
    assert 1.2 < tally.most / tally.requests * 10 <= BALANCE + 0.02


def test_a_rolling_restart_costs_extractions_only_without_an_engine() -> None:
    """With caches of eight times the default, each emptied once."""

    def further(memory: int) -> float:
        """Extractions that the restarts cost, as a part of all requests."""
        calm, rolling = (run(Plan(10, memory=memory, own=8 * OWN, restarts=each)) for each in (0.0, 15.0))
        return (rolling.extractions - calm.extractions) / calm.requests

    assert further(1 << 30) < 0.002
    assert further(0) > 0.02


def test_what_grows_with_the_square_of_the_fleet() -> None:
    tally = Tally(seconds=1.0)
    small, large = (demand(Plan(number), tally)["heartbeats"] for number in (100, 200))
    assert large.sent == 4 * small.sent
    assert 2 < large.core / small.core < 4
    assert small.core < 0.01
    assert small.sent < 1e6


def test_one_engine_bears_a_hundred_instances() -> None:
    """At the figures of the whole simulation for 100: extractions, kept results and votes in a second."""
    tally = run(Plan(100), 60.0)
    needed = demand(Plan(100), tally)
    every = total(needed)
    assert 0.3 < every.core < 1.0
    assert needed["results"].core > 0.5 * every.core
    assert needed["heartbeats"].core + needed["limits"].core < 0.1


def test_where_one_engine_ends() -> None:
    """It is the word of each extraction to every instance: that grows with the square of the fleet."""
    sizes = [largest(each) for each in (3.0, 9.0, 23.0)]
    assert sizes == sorted(sizes, reverse=True)
    assert 100 < sizes[0] < fleet.MOST
    assert 60 < sizes[1] < 100
    parts = demand(Plan(sizes[1]), steady(sizes[1], 9.0))
    assert parts["results"].core > 0.7 * total(parts).core


def test_the_document_has_these_figures() -> None:
    text = (ROOT / "docs" / "fleet.md").read_text()
    for at_once, further in (RESULT, HEARTBEAT):
        assert f" {at_once:g} + {further:g} n |" in text
    assert f" {VOTES[0]:g} + ({PLACE:g} + {VOTES[1]:g} n) a site |" in text
    assert f" {LIMITS[0]:g} + {LIMITS[1]:g} a client |" in text
    assert f"{PACKED:,} bytes (a YouTube page" in text
    assert f"{OWN} such pages" in text
    rates = (1, 3, 9, 23)
    assert f"of each instance | {' | '.join(map(str, rates))} |" in text
    assert f"so many instances | {' | '.join(str(largest(each)) for each in rates)} |" in text


def lines(plan: Plan, seconds: float) -> str:
    tally = run(plan, seconds)
    needed = demand(plan, tally)
    every = total(needed)
    parts = " ".join(f"{each.core:.3f}" for each in needed.values())
    shown = (
        f"{plan.instances} | {plan.policy} | {plan.memory >> 20} | {plan.own} | {plan.restarts:g}",
        f"{tally.hit_ratio:.3f} | {tally.own / tally.requests:.3f} | {tally.extractions / tally.seconds:.0f}",
        f"{tally.most / tally.requests * plan.instances:.2f} | {every.commands:,.0f}",
        f"{every.received / 1e6:.1f} | {every.sent / 1e6:.1f} | {parts} | {every.core:.3f}",
        f"{tally.kept * PACKED >> 20}",
    )
    return f"| {' | '.join(shown)} |"


def main() -> None:
    print(
        "| instances | balancer | engine MB | own | restarts | hit ratio | by own | extractions/s | busiest "
        "| commands/s | MB/s in | MB/s out | core: results heartbeats votes limits | all | kept MB |"
    )
    gigabyte = 1 << 30
    plans = [
        *(Plan(10, policy, memory=memory) for policy in POLICIES for memory in (0, gigabyte)),
        *(
            Plan(30, memory=memory, own=8 * OWN, restarts=pause)
            for memory in (0, gigabyte)
            for pause in (0.0, 5.0)
        ),
        *(Plan(number) for number in (1, 3, 10)),
        Plan(30),
        Plan(30, memory=gigabyte),
        *(Plan(100, memory=memory) for memory in (gigabyte >> 2, gigabyte, 4 * gigabyte)),
        Plan(200, memory=4 * gigabyte),
    ]
    print("one engine is enough for", {each: largest(each) for each in (1.0, 3.0, 9.0, 23.0)})
    for plan in plans:
        print(lines(plan, 2.1 * TTL), flush=True)


if __name__ == "__main__":
    main()
