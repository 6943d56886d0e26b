"""Every typed code and, in one table, how the service reacts to it: a new code is one new row. Pure.

Both sides of the workers' pipe and the web layer read the table; `tests/unit/test_codes.py` walks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import partial
from types import MappingProxyType


class Code(StrEnum):
    """What a client may branch on. A code is never renamed once released."""

    # The request itself.
    INVALID_REQUEST = "INVALID_REQUEST"
    INVALID_URL = "INVALID_URL"
    BLOCKED_TARGET = "BLOCKED_TARGET"
    UNAUTHORIZED = "UNAUTHORIZED"
    KEY_NOT_ALLOWED = "KEY_NOT_ALLOWED"
    NO_SUCH_ENDPOINT = "NO_SUCH_ENDPOINT"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"

    # The site answered, and there is nothing to extract for this caller.
    UNSUPPORTED_URL = "UNSUPPORTED_URL"
    GEO_RESTRICTED = "GEO_RESTRICTED"
    NOT_LIVE = "NOT_LIVE"
    UPCOMING = "UPCOMING"
    NOT_FOUND = "NOT_FOUND"
    REMOVED = "REMOVED"
    PRIVATE = "PRIVATE"
    AGE_RESTRICTED = "AGE_RESTRICTED"
    LOGIN_REQUIRED = "LOGIN_REQUIRED"
    PAID = "PAID"
    DRM = "DRM"
    NO_MEDIA = "NO_MEDIA"
    IS_A_LIST = "IS_A_LIST"
    FORMAT_NOT_AVAILABLE = "FORMAT_NOT_AVAILABLE"
    NO_DIRECT_URL = "NO_DIRECT_URL"
    NO_SUBTITLES = "NO_SUBTITLES"

    # The site refuses, or fails. One that says stop is not asked again: that prolongs the block.
    BOT_CHECK = "BOT_CHECK"
    RATE_LIMITED = "RATE_LIMITED"
    FORBIDDEN = "FORBIDDEN"
    UPSTREAM_ERROR = "UPSTREAM_ERROR"
    UPSTREAM_TIMEOUT = "UPSTREAM_TIMEOUT"
    UPSTREAM_NETWORK = "UPSTREAM_NETWORK"
    DNS = "DNS"
    DEADLINE = "DEADLINE"

    # yt-dlp cannot read what the site answered.
    EXTRACTOR_BROKEN = "EXTRACTOR_BROKEN"

    # The site wants a browser, and yt-dlp would have to pass for one.
    IMPERSONATION_NEEDED = "IMPERSONATION_NEEDED"

    # The way from the service to the sites fails.
    PROXY = "PROXY"

    # The page asks for more than one request may have.
    RESULT_TOO_LARGE = "RESULT_TOO_LARGE"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    WORKER_CRASHED = "WORKER_CRASHED"
    QUARANTINED = "QUARANTINED"

    # The service itself.
    CIRCUIT_OPEN = "CIRCUIT_OPEN"
    QUEUE_FULL = "QUEUE_FULL"
    STARTING = "STARTING"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    INTERNAL = "INTERNAL"


class Blame(StrEnum):
    """Who can mend a failure."""

    CLIENT = "client"  # asks for something else, or for less
    SITE = "site"
    EGRESS = "egress"  # the way from the service to the sites
    EXTRACTOR = "extractor"  # yt-dlp, by an update
    SERVICE = "service"


class CallResult(StrEnum):
    """What the end of a call says about its site; what the site's circuit breaker counts.

    IGNORED and UNDECIDED do not count; they differ for a probe. IGNORED, for a call that never reached the
    site or was cancelled here, frees the permit at once. UNDECIDED, for an answer that says nothing about
    the site's health, frees it one cooldown after it was taken; otherwise a site with such answers would be
    probed without end.
    """

    SUCCESS = "success"
    FAILURE = "failure"
    IGNORED = "ignored"
    UNDECIDED = "undecided"


class Retry(Enum):
    """Whether the same job is worth another attempt inside the same deadline."""

    NEVER = "never"
    ONCE = "once"
    BACKOFF = "backoff"


class EgressBlame(Enum):
    """What a failure says of the egress that the job left through, where there are several.

    HERE: this site refuses this egress. WHOLE: it works nowhere. CLASS: the site does not serve its country.
    PAIR and REACH say so only once another egress succeeds with the same job: then the site refuses this one,
    or this one does not reach it.
    """

    NONE = "none"
    HERE = "here"
    WHOLE = "whole"
    CLASS = "class"
    PAIR = "pair"
    REACH = "reach"


class Group(StrEnum):
    """How an operator sorts the ends of jobs; only the last is trouble."""

    ANSWERED = "answered"
    DECLINED = "declined"  # the site said no, or what is asked for cannot be had
    FAILED = "failed"  # the site broke, or the service did


@dataclass(frozen=True, slots=True)
class Traits:
    """How the service reacts to a code.

    Attributes:
        status: of the HTTP response.
        blame: who can mend it.
        sentence: what a client reads where nothing more particular is known; lower case, no full stop.
        counts: for the site's breaker, where the site was asked; see `breaker/classification.py`.
        retry: whether the dispatcher tries again.
        cacheable: the answer stays the same for a while, so the cache may keep it.
        quotes: the site's own words follow the sentence.
        by_release: a faulty release of yt-dlp can be the cause, so while one is tried, another is asked.
        egress: what it says of the egress, where there are several.
    """

    status: int
    blame: Blame
    sentence: str
    counts: CallResult = CallResult.IGNORED
    retry: Retry = Retry.NEVER
    cacheable: bool = False
    quotes: bool = False
    by_release: bool = False
    egress: EgressBlame = EgressBlame.NONE


# The two large families: the site answered and the answer is no, and the site refuses or fails.
_no = partial(Traits, 422, Blame.CLIENT, counts=CallResult.SUCCESS)
_site = partial(Traits, blame=Blame.SITE, counts=CallResult.FAILURE)
_UNDECIDED = CallResult.UNDECIDED

TRAITS: Mapping[Code, Traits] = MappingProxyType(
    {
        # The request itself.
        Code.INVALID_REQUEST: Traits(
            400, Blame.CLIENT, "the cookies are not in the Netscape format; export them as cookies.txt"
        ),
        Code.INVALID_URL: Traits(400, Blame.CLIENT, "the URL cannot be requested; check its spelling"),
        Code.BLOCKED_TARGET: Traits(
            403, Blame.CLIENT, "the URL leads to a place that this service does not reach", counts=_UNDECIDED
        ),
        Code.UNAUTHORIZED: Traits(401, Blame.CLIENT, "send a valid API key as X-API-Key"),
        Code.KEY_NOT_ALLOWED: Traits(403, Blame.CLIENT, "this key may not do that"),
        Code.NO_SUCH_ENDPOINT: Traits(404, Blame.CLIENT, "there is no such endpoint"),
        Code.METHOD_NOT_ALLOWED: Traits(405, Blame.CLIENT, "the endpoint does not take this method"),
        Code.PAYLOAD_TOO_LARGE: Traits(413, Blame.CLIENT, "the body is too large"),
        Code.UNSUPPORTED_MEDIA_TYPE: Traits(415, Blame.CLIENT, "send the body as application/json"),
        Code.TOO_MANY_REQUESTS: Traits(429, Blame.CLIENT, "too many requests; wait before the next"),
        # The site answered, and there is nothing to extract for this caller.
        Code.UNSUPPORTED_URL: _no("no video was found at this URL", cacheable=True, by_release=True),
        Code.GEO_RESTRICTED: _no(
            "the site does not show this video in this service's country",
            quotes=True,
            egress=EgressBlame.CLASS,
        ),
        Code.NOT_LIVE: _no("the channel is not live at the moment", quotes=True),
        Code.UPCOMING: _no("the video has not started yet; try again once it has", quotes=True),
        Code.NOT_FOUND: _no("the site does not know this video", cacheable=True, quotes=True),
        Code.REMOVED: _no("the video was removed", cacheable=True, quotes=True),
        Code.PRIVATE: _no("the video is private", cacheable=True, quotes=True),
        Code.AGE_RESTRICTED: _no(
            "the site asks for proof of age; cookies of an account may help", cacheable=True, quotes=True
        ),
        Code.LOGIN_REQUIRED: _no("the site asks for a login; cookies of an account may help", quotes=True),
        Code.PAID: _no("the site asks for a payment or a membership", cacheable=True, quotes=True),
        Code.DRM: _no("the video is protected by DRM", cacheable=True, quotes=True),
        Code.NO_MEDIA: _no("the site gives no video for this URL", quotes=True, by_release=True),
        Code.IS_A_LIST: _no("the URL is a list; ask /extract for its entries, or /size with entries: true"),
        Code.FORMAT_NOT_AVAILABLE: _no("the video has no such format"),
        Code.NO_DIRECT_URL: _no("no URL of this video serves a client as it is; ask /extract"),
        Code.NO_SUBTITLES: _no("the video has no subtitles"),
        # The site refuses, or fails. One that says stop is not asked again: that prolongs the block.
        # 429, because balancers repeat a 503 at the next instance, which would ask the angry site again.
        Code.BOT_CHECK: _site(
            429,
            sentence="the site takes this service for a bot; try again later",
            by_release=True,
            egress=EgressBlame.HERE,
        ),
        Code.RATE_LIMITED: _site(
            429, sentence="the site limits how often it is asked; try again later", egress=EgressBlame.HERE
        ),
        Code.FORBIDDEN: _site(
            502,
            sentence="the site refused the request",
            retry=Retry.ONCE,
            by_release=True,
            egress=EgressBlame.PAIR,
        ),
        Code.UPSTREAM_ERROR: _site(
            502, sentence="the site answered with an error", retry=Retry.BACKOFF, by_release=True
        ),
        Code.UPSTREAM_TIMEOUT: _site(
            504,
            sentence="the site did not answer in time",
            retry=Retry.BACKOFF,
            egress=EgressBlame.REACH,
        ),
        Code.UPSTREAM_NETWORK: _site(
            502,
            sentence="the connection to the site failed",
            retry=Retry.BACKOFF,
            by_release=True,
            egress=EgressBlame.REACH,
        ),
        Code.DEADLINE: _site(
            504, sentence="the site did not answer within the request's deadline", by_release=True
        ),
        Code.DNS: Traits(
            502,
            Blame.CLIENT,
            "the site's name could not be resolved; check the URL",
            retry=Retry.BACKOFF,
            egress=EgressBlame.REACH,
        ),
        # yt-dlp cannot read what the site answered.
        Code.EXTRACTOR_BROKEN: Traits(
            502,
            Blame.EXTRACTOR,
            "yt-dlp could not read this site's page; an update of yt-dlp may help",
            counts=CallResult.SUCCESS,
            by_release=True,
        ),
        # The site wants a browser, and yt-dlp would have to pass for one.
        Code.IMPERSONATION_NEEDED: Traits(
            502,
            Blame.SERVICE,
            "the site lets only browsers in; the operator can install ytdlpd[impersonate] to pass for one",
            counts=_UNDECIDED,
        ),
        # The way from the service to the sites fails.
        Code.PROXY: Traits(
            503,
            Blame.EGRESS,
            "the service's own proxy failed; try again later",
            retry=Retry.BACKOFF,
            egress=EgressBlame.WHOLE,
        ),
        # The page asks for more than one request may have.
        Code.RESULT_TOO_LARGE: Traits(
            502,
            Blame.CLIENT,
            "the result is too large to pass on; ask for fewer fields or entries",
            counts=_UNDECIDED,
        ),
        Code.BUDGET_EXCEEDED: Traits(
            502,
            Blame.CLIENT,
            "the page asks for more than one request may use",
            counts=_UNDECIDED,
            by_release=True,
        ),
        # The pool has tried it on a second worker already; a page that kills workers is not a dead service.
        Code.WORKER_CRASHED: Traits(
            500, Blame.SERVICE, "the extraction ended its worker twice", counts=_UNDECIDED, by_release=True
        ),
        Code.QUARANTINED: Traits(503, Blame.CLIENT, "this URL ends workers and is not tried for a while"),
        # The service itself.
        Code.CIRCUIT_OPEN: Traits(503, Blame.SITE, "the site fails too often at the moment; try again later"),
        Code.QUEUE_FULL: Traits(503, Blame.SERVICE, "too many requests wait already; try again later"),
        Code.STARTING: Traits(503, Blame.SERVICE, "the service is starting; try again in a moment"),
        Code.SHUTTING_DOWN: Traits(503, Blame.SERVICE, "the service is shutting down; try again in a moment"),
        Code.INTERNAL: Traits(
            500, Blame.SERVICE, "the service failed to handle this request", by_release=True
        ),
    }
)


def group_of(code: Code | None) -> Group:
    """The group of a job that ended with `code`; None for one that succeeded."""
    if code is None:
        return Group.ANSWERED
    return Group.DECLINED if TRAITS[code].blame is Blame.CLIENT else Group.FAILED
