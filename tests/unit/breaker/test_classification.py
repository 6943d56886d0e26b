"""Pure tests of what counts against a site, for it, or not at all."""

from __future__ import annotations

import pytest

from service.breaker.classification import call_result_of, call_result_of_exception
from service.codes import CallResult, Code
from service.errors import CircuitOpen, DeadlineExceeded, ExtractionError, QueueFull, ShuttingDown
from service.wire import Failure, Success, Usage

ASKED = Usage(requests=3, site_requests=1)
ELSEWHERE = Usage(requests=3)  # a page that leads to another site

SITE_FAILS = [
    Failure(Code.BOT_CHECK, ""),
    Failure(Code.RATE_LIMITED, ""),
    Failure(Code.FORBIDDEN, ""),
    Failure(Code.UPSTREAM_ERROR, "", generic=True),
    Failure(Code.UPSTREAM_TIMEOUT, ""),
    Failure(Code.UPSTREAM_NETWORK, ""),
    Failure(Code.DEADLINE, "", waiting=True),
]
ANSWERS = [
    Code.GEO_RESTRICTED,
    Code.NOT_LIVE,
    Code.UPCOMING,
    Code.NOT_FOUND,
    Code.REMOVED,
    Code.PRIVATE,
    Code.AGE_RESTRICTED,
    Code.LOGIN_REQUIRED,
    Code.PAID,
    Code.DRM,
    Code.NO_MEDIA,
    Code.EXTRACTOR_BROKEN,
    Code.UNSUPPORTED_URL,
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
        *[(outcome, CallResult.UNDECIDED) for outcome in UNDECIDED],
        *[(outcome, CallResult.IGNORED) for outcome in IGNORED],
    ],
)
def test_what_an_outcome_counts(outcome: Failure, call_result: CallResult) -> None:
    assert call_result_of(outcome) is call_result


@pytest.mark.parametrize("code", ANSWERS)
def test_an_answer_counts_only_where_the_site_was_asked(code: Code) -> None:
    assert call_result_of(Failure(code, "", usage=ASKED)) is CallResult.SUCCESS
    assert call_result_of(Failure(code, "", usage=ELSEWHERE)) is CallResult.IGNORED


def test_a_result_counts_only_where_the_site_was_asked() -> None:
    assert call_result_of(Success(b"{}", usage=ASKED)) is CallResult.SUCCESS
    assert call_result_of(Success(b"{}", usage=ELSEWHERE)) is CallResult.IGNORED


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
def test_what_an_exception_counts(error: BaseException, call_result: CallResult) -> None:
    assert call_result_of_exception(error) is call_result
