"""Pure tests of what counts against a site, for it, or not at all."""

from __future__ import annotations

import pytest

from service.breaker.classification import call_result_of, call_result_of_exception
from service.breaker.machine import CallResult
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
    ("outcome", "call_result"),
    [
        *[(outcome, CallResult.FAILURE) for outcome in SITE_FAILS],
        *[(outcome, CallResult.SUCCESS) for outcome in SITE_ANSWERS],
        *[(outcome, CallResult.UNDECIDED) for outcome in UNDECIDED],
        *[(outcome, CallResult.IGNORED) for outcome in IGNORED],
    ],
)
def test_the_verdict_on_an_outcome(outcome: Success | Failure, call_result: CallResult) -> None:
    assert call_result_of(outcome) is call_result


@pytest.mark.parametrize(
    ("error", "call_result"),
    [
        (ExtractionError(Code.UPSTREAM_ERROR, ""), CallResult.FAILURE),
        (ExtractionError(Code.PRIVATE, ""), CallResult.SUCCESS),
        (QueueFull(3, retry_after=1.0), CallResult.IGNORED),
        (ShuttingDown(), CallResult.IGNORED),
        (CircuitOpen(None, None), CallResult.IGNORED),
        (DeadlineExceeded(25.0, running=True), CallResult.UNDECIDED),
        (KeyboardInterrupt(), CallResult.IGNORED),
        (LookupError("a defect"), CallResult.FAILURE),
        (BaseExceptionGroup("", [ShuttingDown(), KeyboardInterrupt()]), CallResult.IGNORED),
        (BaseExceptionGroup("", [ExceptionGroup("", [OSError()]), KeyboardInterrupt()]), CallResult.FAILURE),
    ],
)
def test_the_verdict_on_an_exception(error: BaseException, call_result: CallResult) -> None:
    assert call_result_of_exception(error) is call_result
