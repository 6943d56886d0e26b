"""The port to what instances share, and its implementation for one that is alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from ..dispatch.request import Answer
from ..wire import Job
from .messages import Action, Member, Sighting

Run = Callable[[], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class ClusterStatistics:
    """A snapshot of what is shared.

    Attributes:
        problem: why not everything is shared at present.
        link_up: whether the engine is connected; it may refuse some things all the same.
        instances: that live, this one included.
        calls, failures: commands sent to the engine, and those that failed.
        losses: times that the link went down.
        hits, misses: lookups of results in the engine; `refusals` are the kept noes among the hits.
        waits: jobs that waited for another instance's extraction; `adopted` are those that had its result or
            refusal.
        stored: results and noes given to the engine.
        foreign: entries that were not written by this version.
    """

    state: Literal["ok", "degraded"]
    problem: str | None
    link_up: bool
    engine: str
    instances: int
    calls: int
    failures: int
    losses: int
    hits: int
    misses: int
    refusals: int
    waits: int
    adopted: int
    stored: int
    foreign: int


@dataclass(frozen=True, slots=True)
class Spending:
    """What a client took of a limit.

    Attributes:
        limit: names the limit.
        cost: seconds by which it moves the client's theoretical arrival time.
        window: seconds of the limit's window.
    """

    limit: str
    client: str
    cost: float
    window: float


class Budget(Protocol):
    """Rate limits that can be shared."""

    def share(self) -> None:
        """Note from now on what is taken."""

    def spent(self) -> list[Spending]:
        """What was taken since the last call."""

    def learn(self, spending: Spending, ahead: float, now: float) -> None:
        """All instances together are so many seconds ahead for the client."""


@dataclass(frozen=True, slots=True)
class Vote:
    """What an instance says about a place that it has just asked.

    Attributes:
        place: the name of its breaker.
        seconds: for which the breaker stays open by its own evidence; 0: it is not.
    """

    place: str
    seconds: float


class Voter(Protocol):
    """Breakers that others' votes can open."""

    def votes(self) -> list[Vote]:
        """What there is to say since the last call."""

    def adopt(self, place: str, seconds: float) -> None:
        """Enough other instances have opened theirs, for so long."""


@dataclass(frozen=True, slots=True)
class OrderAnswer:
    """What another instance says to an operator's order.

    Attributes:
        name: of that instance.
        before, after: as of `Operator.carry_out`; empty where there is a problem.
    """

    name: str
    before: str
    after: str
    problem: str | None


class Operator(Protocol):
    """Who carries out orders at this instance."""

    async def carry_out(self, action: Action, subject: str | None, reason: str = "") -> tuple[str, str]:
        """What was before, and what is now.

        Raises:
            ServiceError, StoreError: it cannot be done.
        """

    def note_deaths(self, url: str, client: str, causes: Sequence[str], ago: float) -> None:
        """A job of `client` has killed another instance's workers, so many seconds ago: `Cluster.died`."""

    def note_release(self, url: str | None) -> None:
        """An operator of another instance has released `url`, or all, from the quarantine."""

    def note_purge(self, ytdlp: str) -> None:
        """What this release of yt-dlp has made is not to be used any more."""

    def note_pause(self, egress: str, place: str, seconds: float) -> None:
        """A site has told another instance to wait, as `Cluster.pause` has it."""

    def modes(self) -> Mapping[str, Action]:
        """The lasting orders that hold here, by site; a star is all of them."""


class Cluster(Protocol):
    """What the service asks of the other instances.

    Attributes:
        id: names this instance among them.
    """

    @property
    def id(self) -> str: ...

    async def once(self, job: Job, run: Run, *, fresh: bool) -> Answer:
        """The answer to `job`: what another instance has or is extracting, or that of `run`.

        Args:
            fresh: a kept one will not do.

        Raises:
            ServiceError: as `run`.
        """

    def share_limits(self, budget: Budget) -> None:
        """Let `budget` be that of all instances together."""

    def share_breakers(self, voter: Voter) -> None:
        """Let `voter` vote from now on."""

    def introduce(self, describe: Callable[[str], Member]) -> None:
        """Tell the others of this instance from now on, as `describe` does, given its id."""

    def obey(self, operator: Operator) -> None:
        """Let `operator` carry out what is ordered at other instances."""

    async def order(self, action: Action, subject: str | None, reason: str = "") -> tuple[OrderAnswer, ...]:
        """Have the other instances carry out an order; their answers, as far as they come within a second."""

    def bar(self, version: str, reason: str) -> None:
        """Have no instance use this release of yt-dlp: sites have shown here that it is worse."""

    def died(self, url: str, client: str, causes: Sequence[str]) -> None:
        """Tell the others that a job of `client` for `url` has killed a worker for each of `causes`."""

    def pause(self, egress: str, place: str, seconds: float) -> None:
        """Tell the others to leave a place alone for so long where they leave through the same egress."""

    def purge(self, ytdlp: str) -> None:
        """Use no result that this release of yt-dlp has made, at no instance."""

    def sightings(self) -> tuple[Sighting, ...]:
        """The instances that live, this one included; none where there is no cluster."""

    def statistics(self) -> ClusterStatistics | None:
        """None where there is no cluster."""

    async def run(self) -> None:
        """The long-lived task."""


class Alone:
    """No other instances: every method returns at once."""

    id = ""

    async def once(self, job: Job, run: Run, *, fresh: bool) -> Answer:
        return await run()

    def share_limits(self, budget: Budget) -> None:
        return None

    def share_breakers(self, voter: Voter) -> None:
        return None

    def introduce(self, describe: Callable[[str], Member]) -> None:
        return None

    def obey(self, operator: Operator) -> None:
        return None

    async def order(self, action: Action, subject: str | None, reason: str = "") -> tuple[OrderAnswer, ...]:
        return ()

    def bar(self, version: str, reason: str) -> None:
        return None

    def died(self, url: str, client: str, causes: Sequence[str]) -> None:
        return None

    def pause(self, egress: str, place: str, seconds: float) -> None:
        return None

    def purge(self, ytdlp: str) -> None:
        return None

    def sightings(self) -> tuple[Sighting, ...]:
        return ()

    def statistics(self) -> None:
        return None

    async def run(self) -> None:
        return None
