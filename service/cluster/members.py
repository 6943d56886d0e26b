"""The instances of a fleet, as each tells of itself. Pure; what another one tells is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, ValidationError

LONGEST = 8192  # bytes of what one tells
SITES = 20  # breakers that one tells of

Text = Annotated[str, Field(max_length=300)]


class Member(BaseModel):
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

    model_config = ConfigDict(frozen=True)  # fields of a newer version are left out

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


def decode(data: object) -> Member | None:
    """What another instance told; None where it is not as it should be."""
    if not isinstance(data, bytes) or len(data) > LONGEST:
        return None
    try:
        return Member.model_validate_json(data)
    except ValidationError:
        return None


@dataclass(frozen=True, slots=True)
class Sighting:
    """An instance, and the seconds since its last heartbeat."""

    member: Member
    age: float
