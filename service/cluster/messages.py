"""What instances tell each other, and what is believed of it. Pure.

Nothing that comes out of the engine is trusted: what is not as it should be, or too long, is left out. Fields
that only a newer version knows are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    ValidationError,
)

from ..breaker.settings import EVERY_SITE

LONGEST = 65_536  # bytes of a message
LONGEST_MEMBER = 8192  # bytes of what an instance tells of itself
LONGEST_PAUSE = 86_400.0  # seconds; each pace has a bound of its own
MOST_DEATHS = 10  # by one job
SITES = 20  # breakers that one tells of

Action = Literal["reset", "close", "open", "disable", "release", "pin", "unpin", "bar", "unbar"]
LASTING: tuple[Action, ...] = ("open", "disable")
RELEASE_ACTIONS: tuple[Action, ...] = ("pin", "unpin", "bar", "unbar")  # of releases of yt-dlp


def printable(text: str) -> str:
    """The text, if a terminal may show it. Raises ValueError."""
    if not text.isprintable():
        raise ValueError("it has control characters")
    return text


Text = Annotated[str, Field(max_length=300)]
Words = Annotated[str, Field(max_length=300), AfterValidator(printable)]
Url = Annotated[str, Field(max_length=8192)]
_NOTE = re.compile(rb"([0-9a-f]{16}) ([0-9]{1,10}) ")
M = TypeVar("M", bound="Message")


class Message(BaseModel):
    """What one tells."""

    model_config = ConfigDict(frozen=True)

    @property
    def text(self) -> str:
        """As it is told."""
        return self.model_dump_json()

    @classmethod
    def read(cls: type[M], data: object, longest: int = LONGEST) -> M | None:
        """What another instance told; None where it is not as it should be."""
        if not isinstance(data, bytes) or len(data) > longest:
            return None
        try:
            return cls.model_validate_json(data)
        except ValidationError:
            return None


class Member(Message):
    """What an instance tells of itself.

    Attributes:
        id: random, new at each start.
        name: host and port, for people.
        phase: as in `Lifecycle`.
        workers, busy: worker processes in service, and those of them with a job.
        breakers: the state of each site's breaker that is not closed.
        hits, misses: lookups in its own cache.
        shared_hits: results that it had from others.
    """

    id: Text
    name: Text
    version: Text
    ytdlp: Text
    phase: Text
    uptime: NonNegativeFloat
    workers: NonNegativeInt
    busy: NonNegativeInt
    queue: NonNegativeInt
    jobs: NonNegativeInt
    hits: NonNegativeInt
    misses: NonNegativeInt
    shared_hits: NonNegativeInt
    breakers: Annotated[dict[Text, Text], Field(max_length=SITES)]


class Order(Message):
    """An operator wants something of all instances.

    Attributes:
        subject: a site, a URL, or a release of yt-dlp; None: all of them.
    """

    id: Text
    by: Text
    action: Action
    subject: Url | None
    reason: Words = ""

    @property
    def standing(self) -> str:
        """What it decides; the next order of that name takes its place."""
        if self.action in RELEASE_ACTIONS:
            return "pin" if self.action in ("pin", "unpin") else f"bar {self.subject}"
        return f"mode {self.subject or EVERY_SITE}"


class Answer(Message):
    """What an instance says to an order."""

    order: Text
    name: Text
    before: Text = ""
    after: Text = ""
    problem: Text | None = None


class Deaths(Message):
    """A job of `client` for `url` has killed a worker for each of `causes`."""

    by: Text
    url: Url
    client: Text
    causes: Annotated[list[Text], Field(min_length=1, max_length=MOST_DEATHS)]


class Released(Message):
    """An operator has released `url` from the quarantine; None: all of them."""

    by: Text
    url: Url | None
    released: Literal[True]


class Purge(Message):
    """What this release of yt-dlp has made so far is not to be used."""

    by: Text
    ytdlp: Text


class Pause(Message):
    """A site wants to be left alone for `seconds` at `place`, through `egress`, one of those of `way`."""

    by: Text
    way: Text
    egress: Text
    place: Text
    seconds: Annotated[float, Field(gt=0, le=LONGEST_PAUSE)]


@dataclass(frozen=True, slots=True)
class Note:
    """A message as a journal has it; `age` is in seconds."""

    id: str
    age: float
    payload: bytes

    def written(self) -> bytes:
        return f"{self.id} {self.age * 1000:.0f} ".encode() + self.payload

    @classmethod
    def read(cls, data: bytes) -> Note | None:
        """None where it is not as it should be."""
        found = _NOTE.match(data) if len(data) <= LONGEST else None
        return found and cls(found[1].decode(), int(found[2]) / 1000, data[found.end() :])


def notes(reply: Any) -> list[tuple[bytes, float]]:
    """The messages of a journal that the engine keeps, and their ages there in seconds; the oldest first."""
    found: list[tuple[bytes, float]] = []
    for each in reversed(reply) if isinstance(reply, list) else ():
        match each:
            case [bytes() as data, int() as age] if age >= 0:
                found.append((data, age / 1000))
    return found


@dataclass(frozen=True, slots=True)
class Sighting:
    """An instance, and the seconds since its last heartbeat."""

    member: Member
    age: float


def sightings(reply: Any) -> list[Sighting]:
    """The instances of a heartbeat's reply."""
    seen = []
    for each in reply if isinstance(reply, list) else ():
        match each:
            case [data, int() as age] if age >= 0 and (member := Member.read(data, LONGEST_MEMBER)):
                seen.append(Sighting(member, age / 1000))
    return seen


def modes(reply: Any) -> Mapping[str, Action]:
    """The lasting orders that the engine keeps, by site."""
    found: dict[str, Action] = {}
    for subject, action in zip(reply[::2], reply[1::2], strict=False) if isinstance(reply, list) else ():
        if isinstance(subject, bytes) and isinstance(action, bytes) and len(subject) <= 300:
            for known in LASTING:
                if action == known.encode():
                    found[subject.decode("utf-8", "replace")] = known
    return found


def orders(reply: Any) -> list[Order]:
    """The orders about releases that the engine keeps; the pin comes last."""
    read = (Order.read(each) for each in reply) if isinstance(reply, list) else ()
    return sorted((each for each in read if each is not None), key=lambda each: each.standing)


def numbers(reply: Any, most: Sequence[int]) -> list[int | None]:
    """The numbers of a reply; None where one is out of its bounds. Empty where they are not as many."""
    if not isinstance(reply, list) or len(reply) != len(most):
        return []
    return [
        each if isinstance(each, int) and 0 <= each <= bound else None
        for each, bound in zip(reply, most, strict=True)
    ]


def casts(reply: Any, places: int) -> list[list[int]]:
    """The votes on each of so many places, in milliseconds; none where they are not as they should be."""
    if not isinstance(reply, list) or len(reply) != places:
        return []
    return [cast if _is_cast(cast) else [] for cast in reply]


def _is_cast(cast: Any) -> bool:
    return isinstance(cast, list) and all(isinstance(each, int) and each >= 0 for each in cast)
