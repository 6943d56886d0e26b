"""A seeded discrete-event simulation of the pool, around the real admission and scaling code.

Used by tests and by `python -m bench scaling`. Requests come as a Poisson stream and need a lognormal amount
of work; a machine with few cores slows tasks down when more of them run than its cores carry, and each task
beyond that costs all of them a little more (crosstalk: caches, locks). Nothing here sleeps or reads a clock.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Protocol

from service.errors import QueueFull, ServiceError
from service.pool.admission import AdmissionQueue, Ticket
from service.pool.scaling import Arrived, Booted, Event, Finished, Limits, Load

MEAN_WORK = 5.0  # seconds
SIGMA = 0.75  # of the logarithm: one task in twenty takes more than 13 s
HEARTBEAT = 1.0  # seconds between looks at idle workers


class Policy(Protocol):
    """The interface of the scaler and of the rule it is compared with."""

    @property
    def limit(self) -> int: ...

    def step(self, now: float, event: Event) -> int: ...


class Queue(Protocol):
    """The interface of the admission queue and of the queue it is compared with."""

    def __len__(self) -> int: ...
    def enter(self, ticket: Ticket, now: float, *, workers: int, busy: int) -> None: ...
    def call(self, now: float) -> Ticket | None: ...
    def leave(self, ticket: Ticket) -> None: ...
    def shed(self, now: float) -> list[tuple[Ticket, ServiceError]]: ...
    def finished(self, ticket: Ticket, now: float, *, service_time: float, cost: float) -> None: ...
    def done(self, ticket: Ticket) -> None: ...


class UnboundedFifo:
    """The queue to compare with: first come, first served, without a bound."""

    def __init__(self) -> None:
        self._tickets: deque[Ticket] = deque()

    def __len__(self) -> int:
        return len(self._tickets)

    def enter(self, ticket: Ticket, now: float, *, workers: int, busy: int) -> None:
        self._tickets.append(ticket)

    def call(self, now: float) -> Ticket | None:
        return self._tickets.popleft() if self._tickets else None

    def leave(self, ticket: Ticket) -> None:
        self._tickets.remove(ticket)

    def shed(self, now: float) -> list[tuple[Ticket, ServiceError]]:
        return []

    def finished(self, ticket: Ticket, now: float, *, service_time: float, cost: float) -> None:
        pass

    def done(self, ticket: Ticket) -> None:
        pass


class ThresholdRule:
    """The rule to compare with: looks every 5 s, then adds or removes one worker, then rests for 10 s.

    It adds one when requests wait or four in five workers are busy, removes one when fewer than one in three
    are: the usual rule of pools that watch a gauge.
    """

    POLL = 5.0
    COOLDOWN = 10.0

    def __init__(self, floor: int, ceiling: int) -> None:
        self._floor = floor
        self._ceiling = ceiling
        self._target = floor
        self._next_poll = 0.0
        self._rests_until = 0.0

    @property
    def limit(self) -> int:
        """It knows no limit but the ceiling, and retires the idle at once when it goes down."""
        return self._ceiling

    def step(self, now: float, event: Event) -> int:
        if isinstance(event, Load) and now >= self._next_poll:
            self._next_poll = now + self.POLL
            if now >= self._rests_until:
                self._adjust(now, event)
        return self._target

    def _adjust(self, now: float, load: Load) -> None:
        change = 0
        if load.queued or load.busy >= 0.8 * self._target:
            change = 1
        elif load.busy < self._target / 3:
            change = -1
        target = min(max(self._target + change, self._floor), self._ceiling)
        if target != self._target:
            self._target = target
            self._rests_until = now + self.COOLDOWN


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine that tasks run on.

    Attributes:
        cores: infinity for a machine that is never busy.
        crosstalk: how much slower every task gets with each one beyond what the cores carry.
        boot: seconds until a new worker is ready.
    """

    cores: float = math.inf
    crosstalk: float = 0.0
    boot: float = 0.05


@dataclass(frozen=True, slots=True)
class Request:
    """One request to come: seconds of work when undisturbed, and the part of them that needs a core."""

    at: float
    work: float
    cpu: float
    client: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """How requests come: `rate` gives requests per second at a moment and is never over `peak`."""

    rate: Callable[[float], float]
    peak: float


def steady(rate: float) -> Pattern:
    return Pattern(lambda now: rate, rate)


def step(before: float, after: float, at: float) -> Pattern:
    return Pattern(lambda now: before if now < at else after, max(before, after))


def bursts(base: float, peak: float, *, every: float, length: float) -> Pattern:
    return Pattern(lambda now: peak if now % every < length else base, max(base, peak))


def requests(pattern: Pattern, until: float, seed: int, clients: int = 5) -> Iterable[Request]:
    """A Poisson stream (thinning: Lewis and Shedler, 1979) from `clients` who send alike."""
    source = random.Random(seed)
    now = source.expovariate(pattern.peak)
    while now < until:
        if source.random() * pattern.peak < pattern.rate(now):
            work = source.lognormvariate(math.log(MEAN_WORK) - SIGMA**2 / 2, SIGMA)
            yield Request(now, work, source.uniform(0.4, 0.6), f"client {source.randrange(clients)}")
        now += source.expovariate(pattern.peak)


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of the curve to draw."""

    at: float
    workers: int
    busy: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a run.

    Attributes:
        waits: seconds that each request waited which was served.
        in_time: requests answered before their deadline. refused: sent away, at the door or later.
        duration, worker_seconds: over the time in which requests came.
        curve: one moment per heartbeat.
    """

    waits: Sequence[float]
    in_time: int
    refused: int
    duration: float
    worker_seconds: float
    curve: Sequence[Moment]

    @property
    def goodput(self) -> float:
        """Requests answered in time, per second."""
        return self.in_time / self.duration

    @property
    def p95_wait(self) -> float:
        return quantiles(self.waits, n=20)[-1] if len(self.waits) > 1 else 0.0

    @property
    def mean_workers(self) -> float:
        return self.worker_seconds / self.duration


@dataclass(eq=False, slots=True)
class _Task:
    ticket: Ticket
    cpu_part: float
    left: float  # seconds of undisturbed work
    started: float
    cpu: float = 0.0
    run_delay: float = 0.0


@dataclass(eq=False, slots=True)
class _Worker:
    ready_at: float
    idle_since: float
    task: _Task | None = None


@dataclass(slots=True)
class Simulation:
    """One run: `Simulation(...).run(requests, until)`.

    Attributes:
        deadline: seconds each client waits for its answer, then it leaves the queue.
        interrupts: whether work is stopped at its deadline, as the service does it.
        idle: seconds after which a worker beyond the target is retired.
    """

    policy: Policy
    queue: Queue
    machine: Machine = Machine()
    deadline: float = math.inf
    interrupts: bool = False
    idle: float = 10.0
    _workers: list[_Worker] = field(default_factory=list, init=False)
    _works: dict[Ticket, Request] = field(default_factory=dict, init=False)
    _target: int = field(default=0, init=False)
    _waits: list[float] = field(default_factory=list, init=False)
    _in_time: int = field(default=0, init=False)
    _refused: int = field(default=0, init=False)
    _worker_seconds: float = field(default=0.0, init=False)

    def run(self, stream: Iterable[Request], until: float) -> Report:
        """Serve `stream`, which ends at `until`, and then the requests that still wait."""
        now, beat = 0.0, 0.0
        curve: list[Moment] = []
        to_come = iter(stream)
        coming = next(to_come, None)
        self.policy.step(now, Limits(self.machine.cores))
        self._adjust(now)
        while coming or self._busy() or len(self.queue):
            share, progress = self._pace()
            moment = min(beat, coming.at if coming else math.inf, self._next_change(now, share * progress))
            self._advance(moment - now, share, progress, within=now < until)
            now = moment
            self._finish(now)
            if coming and coming.at <= now:
                self._arrive(coming, now)
                coming = next(to_come, None)
            self._adjust(now)
            if now >= beat:
                beat += HEARTBEAT
                if now < until:
                    curve.append(Moment(now, len(self._workers), self._busy(), len(self.queue)))
        return Report(self._waits, self._in_time, self._refused, until, self._worker_seconds, curve)

    def _tasks(self) -> list[_Task]:
        return [worker.task for worker in self._workers if worker.task is not None]

    def _busy(self) -> int:
        return len(self._tasks())

    def _pace(self) -> tuple[float, float]:
        """The part of the time in which a task is not kept waiting for a core, and its progress in it."""
        wanted = sum(task.cpu_part for task in self._tasks())
        beyond = wanted - self.machine.cores
        if beyond <= 0:
            return 1.0, 1.0
        # Tasks need half a core on average.
        return self.machine.cores / wanted, 1 / (1 + self.machine.crosstalk * beyond / 0.5)

    def _next_change(self, now: float, speed: float) -> float:
        """When the next worker boots, task ends or deadline passes, if nothing else happens."""
        moments = [worker.ready_at for worker in self._workers if worker.ready_at > now]
        for task in self._tasks():
            moments.append(now + task.left / speed)
            if self.interrupts:
                moments.append(task.ticket.deadline)
        return max(now, min(moments, default=math.inf))

    def _advance(self, seconds: float, share: float, progress: float, *, within: bool) -> None:
        if within:
            self._worker_seconds += len(self._workers) * seconds
        for task in self._tasks():
            task.left -= seconds * share * progress
            task.cpu += seconds * share * task.cpu_part
            task.run_delay += seconds * (1 - share)

    def _arrive(self, request: Request, now: float) -> None:
        ticket = Ticket(request.client, deadline=now + self.deadline)
        self.policy.step(now, Arrived())
        try:
            self.queue.enter(ticket, now, workers=self.policy.limit, busy=self._busy())
        except QueueFull:
            self._refused += 1
        else:
            self._works[ticket] = request

    def _finish(self, now: float) -> None:
        for worker in self._workers:
            task = worker.task
            if task is None:
                continue
            done = task.left <= 1e-9
            if not done and not (self.interrupts and now >= task.ticket.deadline):
                continue
            worker.task, worker.idle_since = None, now
            wall = now - task.started
            self.queue.finished(task.ticket, now, service_time=wall, cost=task.cpu)
            self.queue.done(task.ticket)
            self.policy.step(now, Finished(task.cpu, wall, task.run_delay, wall))
            self._in_time += done and now <= task.ticket.deadline

    def _adjust(self, now: float) -> None:
        """Send away, retire, dispatch and boot, as the pool does it after every event."""
        for ticket in [ticket for ticket in self._works if ticket.deadline <= now]:
            self.queue.leave(ticket)
            del self._works[ticket]
        for ticket, _ in self.queue.shed(now):
            self._refused += 1
            del self._works[ticket]
        self._dispatch(now)
        self._target = self.policy.step(now, Load(len(self.queue), self._busy()))
        while len(self._workers) < self._target:
            self._workers.append(_Worker(now + self.machine.boot, now + self.machine.boot))
            self.policy.step(now, Booted(self.machine.boot))
        self._dispatch(now)

    def _idle(self, now: float) -> list[_Worker]:
        """Ready workers without a task, the latest used first."""
        idle = [worker for worker in self._workers if worker.task is None and worker.ready_at <= now]
        return sorted(idle, key=lambda worker: worker.idle_since, reverse=True)

    def _dispatch(self, now: float) -> None:
        idle = self._idle(now)
        while idle and len(self._workers) > self.policy.limit:
            self._workers.remove(idle.pop())
        coldest = idle[-1] if idle else None
        if coldest and len(self._workers) > self._target and now - coldest.idle_since >= self.idle:
            self._workers.remove(idle.pop())
        for worker in idle:
            ticket = self.queue.call(now)
            if ticket is None:
                return
            request = self._works.pop(ticket)
            self._waits.append(now - request.at)
            worker.task = _Task(ticket, request.cpu, request.work, now)


def admission_queue(places: int = 100, seed: int = 0) -> AdmissionQueue:
    """An admission queue whose Retry-After is the same in each run."""
    return AdmissionQueue(places, spread=random.Random(seed).random)
