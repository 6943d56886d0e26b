"""Why a site fails: its runs by outcome, release and egress over the last hours, and what follows. Pure.

What one release or egress is blamed for follows from pairs: the same job failed on one and was answered on
the other. Without a pair it is told what fails where, and no more. Bounded in cells, pairs and time.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..codes import TRAITS, Blame, Code, EgressBlame
from .measurements import CANCELLED, OK, RunEnded

BUCKET = 600.0  # seconds
BUCKETS = 36  # six hours
CELLS = 2000
FAILURES = 500  # kinds of failures, by site and code, whose pairs are kept
PAIRS = 50  # of each kind
OPEN = 1000  # jobs that have failed and may yet be answered
LATELY = 3600.0  # seconds; what is told as failing did so in these
LEAST = 2  # runs; a single failure is not told

# What an operator can do where no pair tells more; other codes have their sentence.
_ADVICE = {
    Code.BOT_CHECK: "give it other addresses ([egress]), an account's cookies or a PO-token provider",
    Code.RATE_LIMITED: "the service slows down by itself; give it other addresses ([egress]) to be faster",
    Code.FORBIDDEN: "the site may refuse this address; give it another one ([egress])",
    Code.GEO_RESTRICTED: "give it an egress of another class",
    Code.PROXY: "look at the proxy and its credentials",
    Code.EXTRACTOR_BROKEN: "a newer yt-dlp may help: ytdlpd releases fetch latest",
    Code.IMPERSONATION_NEEDED: "install the extra impersonate",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """The runs of one site that ended with `outcome` on one release and one egress.

    Attributes:
        outcome: OK, or a code.
        runs: in the last BUCKETS buckets.
        since, last: seconds ago, the first and the last of them.
    """

    site: str
    outcome: str
    ytdlp: str
    egress: str
    runs: int
    since: float
    last: float


@dataclass(frozen=True, slots=True)
class Finding:
    """What fails at a site, and in a sentence what an operator should know.

    Attributes:
        runs: with that code lately; of `total`.
        since: seconds ago, when it began.
    """

    site: str
    code: str
    runs: int
    total: int
    since: float
    sentence: str


@dataclass(slots=True)
class _Runs:
    first: float
    last: float
    buckets: deque[list[int]] = field(default_factory=deque)  # of [number of the bucket, runs]

    def add(self, now: float) -> None:
        number = int(now // BUCKET)
        if not self.buckets or self.buckets[-1][0] != number:
            self.buckets.append([number, 0])
        self.buckets[-1][1] += 1
        self.last = now

    def forget(self, now: float) -> int:
        """Forget what is too old; the number of runs that are left."""
        oldest = int(now // BUCKET) - BUCKETS + 1
        while self.buckets and self.buckets[0][0] < oldest:
            self.buckets.popleft()
            self.first = self.buckets[0][0] * BUCKET if self.buckets else now
        return sum(runs for _, runs in self.buckets)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A job that failed on one release and egress and was answered on another one of these."""

    at: float
    failed: tuple[str, str]
    answered: tuple[str, str]


class Diagnosis:
    """What is known of the runs of all sites."""

    def __init__(self) -> None:
        self._cells: OrderedDict[tuple[str, str, str, str], _Runs] = OrderedDict()
        self._pairs: OrderedDict[tuple[str, str], deque[_Pair]] = OrderedDict()
        self._open: OrderedDict[int, RunEnded] = OrderedDict()

    def note(self, now: float, run: RunEnded) -> None:
        """Learn from a run, however it ended; one that a client has left says nothing."""
        if run.outcome == CANCELLED or not run.site:
            return
        name = (run.site, run.outcome, run.ytdlp, run.egress)
        runs = self._cells.setdefault(name, _Runs(now, now))
        if not runs.forget(now):
            runs.first = now
        runs.add(now)
        self._cells.move_to_end(name)
        if len(self._cells) > CELLS:
            self._cells.popitem(last=False)
        before = self._open.pop(run.job, None)
        if run.outcome != OK:
            self._open[run.job] = run
            if len(self._open) > OPEN:
                self._open.popitem(last=False)
        elif before is not None:
            self._pair(now, before, run)

    def cells(self, now: float) -> tuple[Cell, ...]:
        """The matrix, the latest first."""
        return tuple(
            Cell(*name, count, now - runs.first, now - runs.last)
            for name, runs in reversed(self._cells.items())
            if (count := runs.forget(now))
        )

    def findings(self, matrix: Iterable[Cell], now: float, at: datetime) -> tuple[Finding, ...]:
        """What has failed lately, the most frequent first.

        Args:
            matrix: the cells as they are `now`, of all sites or of one.
            at: what a clock on the wall shows at `now`.
        """
        sites: dict[str, list[Cell]] = {}
        for cell in matrix:
            if cell.last <= LATELY:
                sites.setdefault(cell.site, []).append(cell)
        found = [
            finding
            for name, cells in sites.items()
            for code in {cell.outcome for cell in cells if _is_trouble(cell.outcome)}
            if (finding := self._finding(name, code, cells, now, at)).runs >= LEAST
        ]
        return tuple(sorted(found, key=lambda each: (-each.runs, each.site, each.code)))

    def _pair(self, now: float, failed: RunEnded, answered: RunEnded) -> None:
        if (failed.ytdlp != answered.ytdlp) == (failed.egress != answered.egress):
            return  # neither differs, or both do
        pair = _Pair(now, (failed.ytdlp, failed.egress), (answered.ytdlp, answered.egress))
        kind = (failed.site, failed.outcome)
        self._pairs.setdefault(kind, deque(maxlen=PAIRS)).append(pair)
        self._pairs.move_to_end(kind)
        if len(self._pairs) > FAILURES:
            self._pairs.popitem(last=False)

    def _finding(self, site: str, code: str, cells: Sequence[Cell], now: float, at: datetime) -> Finding:
        failing = [cell for cell in cells if cell.outcome == code]
        since = max(cell.since for cell in failing)
        pairs = [pair for pair in self._pairs.get((site, code), ()) if now - pair.at <= LATELY]
        clock = f"since {at - timedelta(seconds=since):%H:%M}"
        sentence = _sentence(site, code, cells, pairs, clock)
        runs, total = sum(cell.runs for cell in failing), sum(cell.runs for cell in cells)
        return Finding(site, code, runs, total, since, sentence)


def _is_trouble(outcome: str) -> bool:
    """Whether the outcome is one that an operator may want to mend."""
    if outcome == OK:
        return False
    traits = TRAITS[Code(outcome)]
    return traits.blame is not Blame.CLIENT or traits.egress is not EgressBlame.NONE


def _sentence(site: str, code: str, cells: Iterable[Cell], pairs: Sequence[_Pair], clock: str) -> str:
    runs = Counter[tuple[str, str, bool]]()
    for cell in cells:
        if cell.outcome in (OK, code):
            runs[cell.ytdlp, cell.egress, cell.outcome == OK] += cell.runs
    egresses = {name for _, name, _ in runs}
    bad_egress = {pair.failed[1] for pair in pairs if pair.failed[1] != pair.answered[1]}
    good_egress = {pair.answered[1] for pair in pairs if pair.failed[1] != pair.answered[1]} - bad_egress
    bad_release = {pair.failed[0] for pair in pairs if pair.failed[1] == pair.answered[1]}
    good_release = {pair.answered[0] for pair in pairs if pair.failed[1] == pair.answered[1]} - bad_release
    said = f"{site} fails with {code}"
    if good_egress:
        where = f"on {len(bad_egress)} of {len(egresses)} egresses ({_names(bad_egress)}) {clock}"
        works = "work" if len(good_egress) > 1 else "works"
        return f"{said} {where}; {_names(good_egress)} {works}; nothing to do"
    if good_release:
        every = "on every egress " if len(egresses) > 1 and not _any_good(runs, bad_release) else ""
        cure = f"{_names(good_release)} answers the same jobs; roll back: ytdlpd releases rollback"
        return f"{said} {every}with release {_names(bad_release)} {clock}; {cure}"
    advice = _ADVICE.get(Code(code), TRAITS[Code(code)].sentence)
    answered = sum(count for (_, _, good), count in runs.items() if good)
    if answered:
        part = f"in {runs.total() - answered} of {runs.total()} runs"
    elif len(egresses) > 1:
        part = f"on every one of {len(egresses)} egresses"
    else:
        part = "in every run"
    return f"{said} {part} {clock}: {advice}"


def _any_good(runs: Counter[tuple[str, str, bool]], releases: Iterable[str] | None = None) -> bool:
    """Whether there was an answer, of one of `releases` or of any."""
    return any(good and (releases is None or name in releases) for name, _, good in runs)


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(name or "the only one" for name in names))
