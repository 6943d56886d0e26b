"""What the end of a call says about its site, by the table of codes. Pure.

A private video is a success: the site answered, and that is what its breaker wants to know. An answer for
which the site was not asked says nothing about it.
"""

from __future__ import annotations

from ..codes import TRAITS, CallResult, Code
from ..errors import ServiceError
from ..wire import Failure, Outcome, Visit

_WEIGHT = (CallResult.IGNORED, CallResult.UNDECIDED, CallResult.SUCCESS, CallResult.FAILURE)


def call_result_of(outcome: Outcome) -> CallResult:
    """What the breaker of the URL's endpoint counts for a call that ended in `outcome`."""
    counts = CallResult.SUCCESS
    if isinstance(outcome, Failure) and not outcome.culprit:
        counts = _of_failure(outcome)
    # An extractor may refuse a URL by itself, and a page may lead to another site that gives the answer.
    if counts is CallResult.SUCCESS and not outcome.usage.site_requests:
        return CallResult.IGNORED
    return counts


def call_result_of_visit(visit: Visit, outcome: Outcome) -> CallResult:
    """What the breaker of another endpoint counts, which the call has led to."""
    if isinstance(outcome, Failure) and outcome.culprit == visit.endpoint:
        return _of_failure(outcome)
    if visit.answered:
        return CallResult.SUCCESS
    return CallResult.FAILURE if visit.failed else CallResult.IGNORED


def call_result_of_exception(error: BaseException) -> CallResult:
    """What counts for a call that raised `error`; of a group, what its weightiest member counts.

    So an upstream failure together with a cancellation is one failure, and cancellations alone count nowhere.
    An error without a code is a defect on the call's way, the classifier's own included; it counts as a
    failure, so that a way that is broken is not tried without end.
    """
    if isinstance(error, BaseExceptionGroup):
        return max(map(call_result_of_exception, error.exceptions), key=_WEIGHT.index)
    if isinstance(error, ServiceError):
        return _of_failure(Failure(error.code, str(error)))
    return (
        CallResult.FAILURE if isinstance(error, Exception) else CallResult.IGNORED
    )  # Cancelled is no Exception


def _of_failure(failure: Failure) -> CallResult:
    """By the failure's code, unless its circumstances say that the site had no part in it."""
    blameless = {
        Code.DEADLINE: not failure.waiting,  # the site did not take the time
        Code.FORBIDDEN: failure.generic,  # a 403 for a page that no extractor knows says little
    }
    return CallResult.UNDECIDED if blameless.get(failure.code) else TRAITS[failure.code].counts
