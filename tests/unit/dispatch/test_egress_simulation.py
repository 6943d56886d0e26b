"""Collaboration: ten egresses of which a site blocks some for a while, simulated with the real dispatcher.

`python -m tests.unit.dispatch.test_egress_simulation` prints the figures.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import trio
from trio.testing import MockClock

from service.codes import Code
from service.egress.egress import Egress
from service.egress.pool import EgressPool
from service.errors import ServiceError
from service.wire import Job, Outcome
from tests.support.routed_pool import GOOD, Harness, extraction, failure, proxies

RATE = 2.0  # jobs per second, a Poisson stream
BEGINS, LASTS, WHOLE = 30.0, 60.0, 150.0  # seconds
SEEDS = (0,)
MORE_SEEDS = range(3)  # for the figures


class RandomPool(EgressPool):
    """The policy to compare with: any egress that the job has not tried."""

    def choose(
        self,
        site: str,
        now: float,
        *,
        url: str = "",
        wanted: str = "",
        jar: str | None = None,
        tried: Collection[str] = (),
        shunned: Collection[str] = (),
    ) -> Egress | None:
        left = [each for each in self._egresses if each.identity not in tried]
        return self._draw.choice(left) if left else None

    def suits(self, egress: Egress, site: str, now: float) -> bool:
        return True


@dataclass(slots=True)
class Tally:
    """What came of a simulation: jobs, failed answers, and calls on egresses while they were blocked."""

    jobs: int = 0
    failed: int = 0
    on_blocked: int = 0


async def simulate(
    policy: type[EgressPool], names: Sequence[str], blocked: Collection[str], seed: int, lasts: float
) -> Tally:
    """Ask a site that blocks some egresses for a while."""
    draw, tally = random.Random(seed), Tally()
    began = trio.current_time()

    def answers(way: str, job: Job) -> Outcome:
        if way in blocked and BEGINS <= trio.current_time() - began < BEGINS + lasts:
            tally.on_blocked += 1
            return failure(Code.BOT_CHECK)
        return GOOD

    it = Harness(proxies(*names), answers, egresses=policy, seed=seed)

    async def one(number: int) -> None:
        try:
            await it.submit(extraction(f"https://site.test/{number}"))
        except ServiceError:
            tally.failed += 1

    async with trio.open_nursery() as nursery:
        while trio.current_time() - began < WHOLE:
            await trio.sleep(draw.expovariate(RATE))
            nursery.start_soon(one, tally.jobs)
            tally.jobs += 1
    return tally


async def total(
    policy: type[EgressPool],
    names: Sequence[str],
    blocked: Collection[str],
    lasts: float = LASTS,
    seeds: Iterable[int] = SEEDS,
) -> Tally:
    """The sum over all seeds."""
    found = [await simulate(policy, names, blocked, seed, lasts) for seed in seeds]
    return Tally(*(sum(getattr(each, name) for each in found) for name in Tally.__slots__))


TEN = [f"e{number}" for number in range(10)]
THREE, SIX = TEN[3:6], TEN[:6]


async def test_three_of_ten_blocked_cost_hardly_an_answer(autojump_clock: MockClock) -> None:
    chosen, drawn = await total(EgressPool, TEN, THREE), await total(RandomPool, TEN, THREE)
    assert chosen.failed <= 0.002 * chosen.jobs
    assert chosen.on_blocked < drawn.on_blocked / 4
    assert chosen.failed <= drawn.failed


async def test_a_single_egress_fails_as_long_as_it_is_blocked(autojump_clock: MockClock) -> None:
    single = await total(EgressPool, TEN[:1], TEN[:1])
    assert single.failed > 0.3 * single.jobs


async def test_six_of_ten_blocked_cost_few(autojump_clock: MockClock) -> None:
    chosen, drawn = await total(EgressPool, TEN, SIX), await total(RandomPool, TEN, SIX)
    assert chosen.failed < drawn.failed / 3
    assert chosen.on_blocked < drawn.on_blocked / 4


async def test_a_long_block_costs_no_more_calls_than_its_probes(autojump_clock: MockClock) -> None:
    """Two in a row, those that were under way with them, and a probe after 30 and after 90 seconds."""
    chosen = await total(EgressPool, TEN, THREE, lasts=WHOLE)
    assert chosen.on_blocked <= 3 * 6


async def _print() -> None:
    for title, blocked in (("3 of 10", THREE), ("6 of 10", SIX)):
        for policy in (EgressPool, RandomPool):
            print(title, policy.__name__, await total(policy, TEN, blocked, seeds=MORE_SEEDS))
    print("the only one", await total(EgressPool, TEN[:1], TEN[:1], seeds=MORE_SEEDS))


if __name__ == "__main__":
    trio.run(_print, clock=MockClock(autojump_threshold=0))
