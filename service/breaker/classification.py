"""What the end of a call says about its site: outcomes and exceptions → verdicts. Pure.

A private video is a success: the site answered, and that is what its breaker wants to know. The service's and
the caller's own trouble never counts against a site.
"""

from __future__ import annotations

from ..errors import Blame, Code, ServiceError, traits
from ..wire import Failure, Outcome, Success
from .machine import CallResult

_ANSWERED = frozenset(
    {
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
    }
)

# The site was asked, or probably was, and the end of it says nothing about the site's health.
_UNDECIDED = frozenset(
    {
        Code.BLOCKED_TARGET,
        Code.RESULT_TOO_LARGE,
        Code.BUDGET_EXCEEDED,
        Code.WORKER_CRASHED,
        Code.DEADLINE,
        Code.FORBIDDEN,
    }
)

_WEIGHT = (CallResult.IGNORED, CallResult.UNDECIDED, CallResult.SUCCESS, CallResult.FAILURE)


def call_result_of(outcome: Outcome) -> CallResult:
    """The verdict on a call that ended in `outcome`."""
    if isinstance(outcome, Success):
        return CallResult.SUCCESS
    code = outcome.code
    if traits(code).blame is Blame.SITE and not _excused(outcome):
        return CallResult.FAILURE
    # An extractor may refuse a URL without asking anybody; then nothing was learned about the site.
    if code in _ANSWERED or (code is Code.UNSUPPORTED_URL and outcome.usage.requests):
        return CallResult.SUCCESS
    return CallResult.UNDECIDED if code in _UNDECIDED else CallResult.IGNORED


def call_result_of_exception(error: BaseException) -> CallResult:
    """The verdict on a call that raised `error`; of a group, the weightiest of its members'.

    So an upstream failure together with a cancellation is one failure, and cancellations alone count nowhere.
    An error without a code is a defect on the call's way, the classifier's own included; it counts as a
    failure, so that a way that is broken is not tried without end.
    """
    if isinstance(error, BaseExceptionGroup):
        return max(map(call_result_of_exception, error.exceptions), key=_WEIGHT.index)
    if isinstance(error, ServiceError):
        return call_result_of(Failure(error.code, str(error)))
    return (
        CallResult.FAILURE if isinstance(error, Exception) else CallResult.IGNORED
    )  # Cancelled is no Exception


def _excused(failure: Failure) -> bool:
    """A 403 to the generic extractor says little; a deadline blames the site only where it was waited for."""
    if failure.code is Code.DEADLINE:
        return not failure.waiting
    return failure.code is Code.FORBIDDEN and failure.generic
