"""How many workers there should be. Pure: `step(now, event) → target`.

Demand is met at once, up to the knee: the number of workers beyond which they only compete for the CPU. The
knee is measured from finished tasks. Tasks that spend half their time waiting for a site keep two workers per
core busy; the time that they wait for a core is left out, so an overloaded machine does not look like a slow
site.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SAMPLES = 10  # finished tasks before the knee is believed
SLOW_BOOT = 1.0  # seconds
_DECAY = 0.97  # of all sums, per finished task
_MEMORY = 60.0  # seconds over which the arrival rate is averaged
_STICK = 0.65  # hysteresis: the knee moves only when the measured value is further away


@dataclass(frozen=True, slots=True)
class Load:
    """The load of the pool: requests that wait, workers that are busy."""

    queued: int
    busy: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request arrived, whether or not it has to wait."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A task ended. All in seconds.

    Attributes:
        cpu: CPU time of the worker's process tree.
        wall: from the job's start to its end in the worker.
        run_delay: time its processes were ready to run but had no core.
        residence: how long it held the worker in all.
    """

    cpu: float
    wall: float
    run_delay: float
    residence: float


@dataclass(frozen=True, slots=True)
class Booted:
    """A worker was ready `seconds` after it was requested."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of the environment; None where there is none.

    Attributes:
        cores: that the service may use, perhaps a fraction.
        memory: workers that fit into memory (`memory_cap`).
        sites: workers that the sites' own limits can keep busy.
    """

    cores: float
    memory: int | None = None
    sites: int | None = None


Event = Load | Arrived | Finished | Booted | Limits


@dataclass(frozen=True, slots=True)
class ScalerStatistics:
    """The inputs of the scaler, and its decision in one sentence.

    Attributes:
        target: workers wanted now. limit: the most workers at present. Both in [floor, ceiling].
        reason: the target and what decided it, for people.
        queued, busy: the latest load.
        arrival_rate: requests per second. residence: seconds, None until a task has finished.
        boot_time: seconds.
        demand: workers for the requests in sight. erlang: workers for the arrival rate.
        knee: workers that the CPU can keep busy, None until SAMPLES tasks have finished.
        samples: tasks that have finished.
        cores, memory, sites: the limits in force.
        floor, ceiling: MIN_WORKERS and MAX_WORKERS. fixed: whether the number is not tuned.
    """

    target: int
    limit: int
    reason: str
    queued: int
    busy: int
    arrival_rate: float
    residence: float | None
    boot_time: float
    demand: int
    erlang: int
    knee: int | None
    samples: int
    cores: float
    memory: int | None
    sites: int | None
    floor: int
    ceiling: int
    fixed: bool


def memory_cap(limit: int, per_worker: int, reserved: int = 0) -> int:
    """How many workers of `per_worker` bytes fit into `limit` bytes, `reserved` of them kept for others.

    At least 1: without a worker there is no service.
    """
    return max(1, (limit - reserved) // max(1, per_worker))


class Scaler:
    """Decides between `floor` and `ceiling`; with `fixed`, always that number.

    The pool grows to `target` at once. It shrinks by retiring the worker that was idle longest, one at a
    time and never below `target`; a worker beyond `limit` is retired as soon as it has no task.
    """

    def __init__(
        self,
        floor: int,
        ceiling: int,
        *,
        cores: float = math.inf,
        memory: int | None = None,
        sites: int | None = None,
        fixed: int | None = None,
    ) -> None:
        if fixed is not None:
            floor = ceiling = fixed
        self._floor = floor
        self._ceiling = ceiling
        self._fixed = fixed is not None
        self._limits = Limits(cores, memory, sites)
        self._load = Load(0, 0)
        self._boot_time = 0.0
        self._rate = 0.0
        self._rate_at = -math.inf
        self._samples = 0
        self._weight = self._occupied = self._cpu = self._residence = 0.0
        self._knee: int | None = None
        self.target = floor

    @property
    def limit(self) -> int:
        """The most workers at present, which admission counts on."""
        return self._limit()[0]

    def step(self, now: float, event: Event) -> int:
        """The number of workers wanted now, after `event`."""
        match event:
            case Load():
                self._load = event
            case Arrived():
                self._rate = self._rate_now(now) + 1 / _MEMORY
                self._rate_at = now
            case Finished():
                self._learn(event)
            case Booted(seconds):
                self._boot_time = seconds if self._boot_time == 0 else (self._boot_time + seconds) / 2
            case Limits():
                self._limits = event
        self.target = max(self._floor, min(self.limit, max(self._erlang(now), self._demand())))
        return self.target

    def statistics(self, now: float) -> ScalerStatistics:
        return ScalerStatistics(
            target=self.target,
            limit=self.limit,
            reason=self._reason(now),
            queued=self._load.queued,
            busy=self._load.busy,
            arrival_rate=self._rate_now(now),
            residence=self._mean_residence(),
            boot_time=self._boot_time,
            demand=self._demand(),
            erlang=self._erlang(now),
            knee=self._knee,
            samples=self._samples,
            cores=self._limits.cores,
            memory=self._limits.memory,
            sites=self._limits.sites,
            floor=self._floor,
            ceiling=self._ceiling,
            fixed=self._fixed,
        )

    def _learn(self, task: Finished) -> None:
        """Update the decayed sums, in which the newest 33 or so tasks decide."""
        # Threads wait for cores side by side, so their delays may add up to more than the wall time.
        occupied = max(task.wall - task.run_delay, min(task.cpu, task.wall))
        self._weight = self._weight * _DECAY + 1
        self._occupied = self._occupied * _DECAY + occupied
        self._cpu = self._cpu * _DECAY + task.cpu
        self._residence = self._residence * _DECAY + task.residence
        self._samples += 1
        if self._samples < SAMPLES:
            return
        measured = self._limits.cores * self._occupied / self._cpu if self._cpu > 0 else math.inf
        bounded = min(max(measured, self._floor), self._ceiling)
        if self._knee is None or abs(bounded - self._knee) > _STICK:
            self._knee = round(bounded)

    def _mean_residence(self) -> float | None:
        return self._residence / self._weight if self._weight else None

    def _rate_now(self, now: float) -> float:
        return self._rate * math.exp((self._rate_at - now) / _MEMORY)

    def _demand(self) -> int:
        """One worker per request, less the tasks that will end before another worker is up."""
        queued, busy = self._load.queued, self._load.busy
        residence = self._mean_residence()
        ending = busy * min(1.0, 0.5 * self._boot_time / residence) if residence else 0.0
        return math.ceil(queued + busy - ending)

    def _erlang(self, now: float) -> int:
        """Workers for the offered load a: a + √a, the square-root staffing rule (Halfin and Whitt, 1981).

        The margin √a insures against arrivals that would have to wait for a boot. Where workers boot in
        milliseconds it would buy nothing, so it grows with the boot time up to its full size.
        """
        offered = self._rate_now(now) * (self._mean_residence() or 0.0)
        return math.ceil(offered + math.sqrt(offered) * min(1.0, self._boot_time / SLOW_BOOT))

    def _limit(self) -> tuple[int, str]:
        """The tightest limit, and what sets it. The operator's floor always holds."""
        limits = [(self._ceiling, "MAX_WORKERS is the limit")]
        if not self._fixed:
            if self._knee is not None:
                limits.append((self._knee, "the CPU is the limit"))
            if self._limits.memory is not None:
                limits.append((self._limits.memory, "memory is the limit"))
            if self._limits.sites is not None:
                limits.append((self._limits.sites, "the sites' own limits allow no more"))
        limit, why = min(limits, key=lambda pair: pair[0])
        return max(self._floor, limit), why

    def _reason(self, now: float) -> str:
        limit, why_not_more = self._limit()
        erlang, demand = self._erlang(now), self._demand()
        if self._fixed:
            why = "SCALING fixes the number"
        elif max(erlang, demand) > limit:
            why = why_not_more
        elif self.target == self._floor:
            why = "the warm floor is enough"
        elif demand >= erlang:
            why = "one for each request in sight"
        else:
            why = "the arrival rate asks for them"
        queued = self._load.queued
        waiting = "" if not queued else "; 1 request waits" if queued == 1 else f"; {queued} requests wait"
        return f"{self.target} worker{'' if self.target == 1 else 's'}: {why}{waiting}"
