"""Pure tests of what counts against a site, for it, or not at all."""

from __future__ import annotations

import pytest

from service.breaker.machine import Verdict
from service.breaker.verdicts import verdict_of, verdict_of_exception
from service.errors import CircuitOpen, Code, DeadlineExceeded, ExtractionError, QueueFull, ShuttingDown
from service.wire import Failure, Success, Usage

ASKED = Usage(requests=1)

SITE_FAILS = [
    Failure(Code.BOT_CHECK, ""),
    Failure(Code.RATE_LIMITED, ""),
    Failure(Code.FORBIDDEN, ""),
    Failure(Code.UPSTREAM_ERROR, "", generic=True),
    Failure(Code.UPSTREAM_TIMEOUT, ""),
    Failure(Code.UPSTREAM_NETWORK, ""),
    Failure(Code.DEADLINE, "", waiting=True),
]
SITE_ANSWERS = [
    Success(b"{}"),
    Failure(Code.GEO_RESTRICTED, ""),
    Failure(Code.NOT_LIVE, ""),
    Failure(Code.UPCOMING, ""),
    Failure(Code.NOT_FOUND, ""),
    Failure(Code.REMOVED, ""),
    Failure(Code.PRIVATE, ""),
    Failure(Code.AGE_RESTRICTED, ""),
    Failure(Code.LOGIN_REQUIRED, ""),
    Failure(Code.PAID, ""),
    Failure(Code.DRM, ""),
    Failure(Code.NO_MEDIA, ""),
    Failure(Code.EXTRACTOR_BROKEN, ""),
    Failure(Code.UNSUPPORTED_URL, "", usage=ASKED),
]
UNDECIDED = [
    Failure(Code.FORBIDDEN, "", generic=True),
    Failure(Code.DEADLINE, ""),
    Failure(Code.WORKER_CRASHED, ""),
    Failure(Code.BLOCKED_TARGET, ""),
    Failure(Code.RESULT_TOO_LARGE, ""),
    Failure(Code.BUDGET_EXCEEDED, ""),
]
IGNORED = [
    Failure(Code.UNSUPPORTED_URL, ""),  # refused without asking the site
    Failure(Code.INVALID_URL, ""),
    Failure(Code.DNS, ""),
    Failure(Code.PROXY, ""),
    Failure(Code.INTERNAL, ""),
    Failure(Code.QUARANTINED, ""),
]


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        *[(outcome, Verdict.FAILURE) for outcome in SITE_FAILS],
        *[(outcome, Verdict.SUCCESS) for outcome in SITE_ANSWERS],
        *[(outcome, Verdict.UNDECIDED) for outcome in UNDECIDED],
        *[(outcome, Verdict.IGNORED) for outcome in IGNORED],
    ],
)
def test_the_verdict_on_an_outcome(outcome: Success | Failure, verdict: Verdict) -> None:
    assert verdict_of(outcome) is verdict


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (ExtractionError(Code.UPSTREAM_ERROR, ""), Verdict.FAILURE),
        (ExtractionError(Code.PRIVATE, ""), Verdict.SUCCESS),
        (QueueFull(3, retry_after=1.0), Verdict.IGNORED),
        (ShuttingDown(), Verdict.IGNORED),
        (CircuitOpen(None, None), Verdict.IGNORED),
        (DeadlineExceeded(25.0, running=True), Verdict.UNDECIDED),
        (KeyboardInterrupt(), Verdict.IGNORED),
        (LookupError("a defect"), Verdict.FAILURE),
        (BaseExceptionGroup("", [ShuttingDown(), KeyboardInterrupt()]), Verdict.IGNORED),
        (BaseExceptionGroup("", [ExceptionGroup("", [OSError()]), KeyboardInterrupt()]), Verdict.FAILURE),
    ],
)
def test_the_verdict_on_an_exception(error: BaseException, verdict: Verdict) -> None:
    assert verdict_of_exception(error) is verdict
