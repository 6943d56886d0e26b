"""The egress pool: its members, their health, and the choice of one for a job. Pure; takes `now`."""

from __future__ import annotations

import hashlib
import math
import random
import secrets
from collections import Counter, OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..breaker.pacing import Paces, PaceStatistics
from .choice import Candidate, choose, sound
from .egress import Egress
from .health import WHOLE, Health
from .route import Route

KNOWN_PLACES = 4096  # URLs whose class is remembered


@dataclass(frozen=True, slots=True)
class EgressStatistics:
    """A snapshot of one egress.

    Attributes:
        state: usable; probing, where a job is to show that it works again; or quarantined, for all sites.
        in_flight: jobs that leave through it.
        jobs, failures: so far; the failures that blame it.
        quarantined: the sites that it is left out for, with the seconds that are left.
    """

    name: str
    egress_class: str
    state: str
    in_flight: int
    jobs: int
    failures: int
    quarantined: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class EgressPoolStatistics:
    """A snapshot of the pool; of none, where there is but one way out.

    Attributes:
        moves: attempts that went to another egress, because the one before was perhaps to blame.
        panics: choices made while so few were usable that all were used.
    """

    egresses: tuple[EgressStatistics, ...] = ()
    moves: int = 0
    panics: int = 0


class EgressPool:
    """The egresses of the service.

    Args:
        draw: the randomness of the choice.
        secret: makes the addresses of networks unforeseeable.
    """

    def __init__(
        self, egresses: Sequence[Egress], *, draw: random.Random | None = None, secret: bytes | None = None
    ) -> None:
        self._egresses = tuple(egresses)
        self._draw = draw or random.Random()  # noqa: S311  # it spreads jobs, and keeps no secret
        self._secret = secret or secrets.token_bytes(16)
        self.health = Health()
        self._panics = self._moves = 0
        self._paces = {egress.name: Paces() for egress in self._egresses}
        self._in_flight: Counter[str] = Counter()
        self._jobs: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._next_turn: dict[str, float] = {}  # of those with a max_rate
        self._places: OrderedDict[str, str] = OrderedDict()  # the class that a URL was answered in

    def meant(self, wanted: str) -> frozenset[str]:
        """The names of those that a client means by a name or a class."""
        return frozenset(each.name for each in self._egresses if each.is_meant(wanted))

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
        """The egress for a job; None where there is none, or none that it has not tried.

        Args:
            wanted: the name or the class that the client asks for.
            jar: the job's cookies. A jar keeps its egress for life: a site suspects an account that moves.
            tried: identities that the job has failed on.
            shunned: classes that it has failed on.
        """
        able = [each for each in self._egresses if each.takes(site) and each.is_meant(wanted)]
        able = [each for each in able if each.egress_class not in shunned]
        if jar is not None:
            cookies = "\n".join(sorted(jar.split("\n")))  # whatever their order
            return max(able, key=lambda each: _affinity(each, cookies), default=None)
        candidates = [self._candidate(each, site, now) for each in able]
        place = self._places.get(url)
        liked = None if place is None or place in shunned else lambda each: each.egress_class == place
        found = choose(candidates, self._draw, tried=tried, liked=liked)
        if found is not None and len(candidates) > 1 and sound(candidates)[1]:
            self._panics += 1
        return None if found is None else found.egress

    def suits(self, egress: Egress, site: str, now: float) -> bool:
        """Whether an egress that was chosen a while ago is still one to use."""
        able = [each for each in self._egresses if each.takes(site)]
        return any(each.egress is egress for each in sound([self._candidate(e, site, now) for e in able])[0])

    def is_alive(self, now: float) -> bool:
        """Whether there is an egress that works."""
        return any(self.health.usable(WHOLE, each.identity, now) for each in self._egresses)

    def wait(self, egress: Egress, now: float) -> float:
        """Seconds until the rate of `egress` allows one more job."""
        return max(0.0, self._next_turn.get(egress.name, -math.inf) - now)

    def take_turn(self, egress: Egress, now: float) -> float:
        """Take the next turn of its rate; returns the seconds until it is due."""
        wait = self.wait(egress, now)
        if egress.max_rate is not None:
            self._next_turn[egress.name] = now + wait + 1 / egress.max_rate
        return wait

    def paces(self, egress: Egress) -> Paces:
        """The paces of sites through `egress`: one that says "too often" means that address."""
        return self._paces[egress.name]

    def hold(self, egress: Egress) -> None:
        """A job has chosen `egress`."""
        self._in_flight[egress.name] += 1

    def moved(self) -> None:
        """Count an attempt that goes to another egress."""
        self._moves += 1

    def let_go(self, egress: Egress) -> None:
        """It leaves through another from now on, or is over."""
        self._in_flight[egress.name] -= 1

    def count(self, egress: Egress, *, failed: bool) -> None:
        """Count an attempt that went through `egress`; `failed` where it is to blame."""
        self._jobs[egress.name] += 1
        self._failures[egress.name] += failed

    def route(self, egress: Egress, site: str, now: float) -> Route:
        """The way of a job to `site` through `egress`."""
        return egress.route(site, now, self._secret)

    def remember_place(self, url: str, egress_class: str) -> None:
        """Begin with that class when `url` is asked for again: in another the site does not show it."""
        self._places[url] = egress_class
        self._places.move_to_end(url)
        if len(self._places) > KNOWN_PLACES:
            self._places.popitem(last=False)

    def sharing(self, identity: str) -> tuple[str, ...]:
        """The names of those that a site takes for `identity`."""
        return tuple(each.name for each in self._egresses if each.identity == identity)

    def pause(self, name: str, place: str, seconds: float, now: float) -> None:
        """Let nobody ask `place` through the egress of this name for so long."""
        if (paces := self._paces.get(name)) is not None:
            paces.pace(place, now).pause(now, seconds)

    def reset(self, site: str | None, now: float) -> bool:
        """Begin anew with `site`, or with every site; returns whether there was anything to forget."""
        forgotten = [paces.forget(site) for paces in self._paces.values()]
        return self.health.reset(site, now) or any(forgotten)

    def pace_statistics(self, now: float) -> tuple[PaceStatistics, ...]:
        """One for each site: that of the egress which is the slowest there."""
        slowest: dict[str, PaceStatistics] = {}
        for paces in self._paces.values():
            for pace in paces.statistics(now):
                if pace.site not in slowest or pace.rate < slowest[pace.site].rate:
                    slowest[pace.site] = pace
        return tuple(slowest.values())

    def statistics(self, now: float) -> EgressPoolStatistics:
        """A snapshot."""
        each = tuple(self._describe(egress, now) for egress in self._egresses)
        return EgressPoolStatistics(each, self._moves, self._panics)

    def _describe(self, egress: Egress, now: float) -> EgressStatistics:
        quarantined = dict(self.health.quarantined(egress.identity, now))
        probing = self.health.wants_probe(WHOLE, egress.identity, now)
        return EgressStatistics(
            egress.name,
            egress.egress_class,
            "quarantined" if WHOLE in quarantined else "probing" if probing else "usable",
            self._in_flight[egress.name],
            self._jobs[egress.name],
            self._failures[egress.name],
            tuple((site, left) for site, left in quarantined.items() if site != WHOLE),
        )

    def _candidate(self, egress: Egress, site: str, now: float) -> Candidate:
        health, identity = self.health, egress.identity
        return Candidate(
            egress,
            alive=health.usable(WHOLE, identity, now),
            usable=health.usable(site, identity, now),
            wants_probe=health.wants_probe(site, identity, now),
            failing=max(health.failing(each, identity, now) for each in (site, WHOLE)),
            in_flight=self._in_flight[egress.name],
            wait=self.wait(egress, now),
        )


def _affinity(egress: Egress, cookies: str) -> float:
    """Rendezvous hashing (Thaler and Ravishankar 1998): a new egress takes over its part of the jars only."""
    digest = hashlib.blake2b(
        f"{egress.name} {cookies}".encode(errors="surrogatepass"), digest_size=7
    ).digest()
    fraction = (int.from_bytes(digest) + 1) / (1 << 56)
    return -egress.weight / math.log(fraction) if fraction < 1 else math.inf
