"""Classifies yt-dlp's exceptions: a typed code and a sentence for each.

Attributes come first: the denial or budget in the job record, the types along the cause chain, the statuses
seen. A statement of the site ("Private video") arrives as an expected ExtractorError without a cause;
statements.py reads its text.
"""

from __future__ import annotations

import http.cookiejar
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from yt_dlp.networking.exceptions import (
    HTTPError,
    NoSupportingHandlers,
    ProxyError,
    RequestError,
    TransportError,
    UnsupportedRequest,
)
from yt_dlp.utils import ExtractorError, GeoRestrictedError, UnsupportedError, UserNotLive

from ..breaker.sites import endpoint_of
from ..codes import TRAITS, Code
from . import proxy_check, statements
from .job_record import Blocked, DeadProxy, JobRecord, OverBudget, Refused

_MAX_LINKS = 40  # of a cause chain; real ones have under ten
_MAX_REASON = 200  # characters of the site's own words

# A 4xx that is not listed is an error of the site: none of them says that the video is unknown.
_STATUSES: Mapping[int, Code] = MappingProxyType(
    {
        400: Code.EXTRACTOR_BROKEN,  # the site no longer accepts yt-dlp's requests
        401: Code.LOGIN_REQUIRED,
        402: Code.PAID,
        403: Code.FORBIDDEN,
        404: Code.NOT_FOUND,
        408: Code.UPSTREAM_TIMEOUT,
        410: Code.REMOVED,
        412: Code.BOT_CHECK,  # Bilibili's block
        414: Code.INVALID_URL,
        415: Code.EXTRACTOR_BROKEN,
        418: Code.BOT_CHECK,  # the answer to crawlers
        420: Code.RATE_LIMITED,  # "enhance your calm"
        422: Code.EXTRACTOR_BROKEN,
        429: Code.RATE_LIMITED,
        430: Code.RATE_LIMITED,  # Shopify's
        451: Code.GEO_RESTRICTED,
        504: Code.UPSTREAM_TIMEOUT,
    }
)

# What a site's no looks like to an extractor that asked to pass for a browser, and went without.
_REFUSALS = frozenset((Code.FORBIDDEN, Code.BOT_CHECK, Code.RATE_LIMITED, Code.EXTRACTOR_BROKEN))

# Statuses below 500 that concern the whole site, not just one of the many addresses that an extractor tries.
_TELLING_STATUSES = frozenset((403, 412, 418, 420, 430))


@dataclass(frozen=True, slots=True)
class ClassifiedFailure:
    """A failure in terms that a client may see; `retry_after` in seconds, `culprit` as in `wire.Failure`."""

    code: Code
    message: str
    retry_after: float | None = None
    culprit: str = ""


def sentence(code: Code, reason: str | None = None) -> str:
    """Our sentence for `code`, with the site's own `reason`, already cleaned, where it has one."""
    text = TRAITS[code].sentence
    return f'{text} (the site says: "{reason}")' if reason else text


def classify(error: BaseException, job_record: JobRecord) -> ClassifiedFailure:
    """The code of `error`, given what the job's requests met."""
    chain = tuple(causes(error))
    statement = _statement(chain)
    code = _code(chain, statement, job_record)
    if job_record.unsolved and code is Code.NO_MEDIA:  # the formats exist, behind a challenge
        code = Code.EXTRACTOR_BROKEN
    if job_record.unimpersonated and (code in _REFUSALS or _wants_a_browser(statement)):
        code = Code.IMPERSONATION_NEEDED
    reason = _clean(statement.orig_msg) if statement is not None and TRAITS[code].quotes else None
    refused = _first(chain, Refused) or job_record.refused
    if refused is not None and code is refused.permission.code:
        permission = refused.permission
        return ClassifiedFailure(code, permission.message, permission.retry_after, refused.endpoint)
    culprit = _culprit(code, chain, job_record)
    waits = code in (Code.RATE_LIMITED, Code.BOT_CHECK, Code.UPSTREAM_ERROR)
    wait = job_record.endpoints[culprit].retry_after if waits and culprit in job_record.endpoints else None
    elsewhere = "" if culprit == job_record.endpoint else culprit
    return ClassifiedFailure(code, sentence(code, reason), wait, elsewhere)


def causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and everything that led to it, nearest first.

    yt-dlp keeps causes in five places: `exc_info` (DownloadError, ExtractorError), `cause` (ExtractorError,
    RequestError), `unexpected_errors` (NoSupportingHandlers), `reason` (urllib3), and Python's own.
    """
    pending, seen = [error], set[int]()
    while pending and len(seen) < _MAX_LINKS:
        link = pending.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        exc_info = getattr(link, "exc_info", None)
        candidates = (
            exc_info[1] if isinstance(exc_info, tuple) else None,
            getattr(link, "cause", None),
            getattr(link, "reason", None),
            link.__cause__,
            link.__context__,
            *link.args,
            *getattr(link, "unexpected_errors", ()),  # NoSupportingHandlers
        )
        pending += [candidate for candidate in candidates if isinstance(candidate, BaseException)]


def _code(chain: tuple[BaseException, ...], statement: ExtractorError | None, job_record: JobRecord) -> Code:
    if job_record.denied is not None or _first(chain, Blocked):
        return Code.BLOCKED_TARGET
    if _first(chain, DeadProxy):
        return Code.PROXY
    if job_record.spent is not None or _first(chain, OverBudget) or _first(chain, MemoryError):
        return Code.BUDGET_EXCEEDED
    if _first(chain, http.cookiejar.LoadError):
        return Code.INVALID_REQUEST
    if _first(chain, GeoRestrictedError):
        return Code.GEO_RESTRICTED
    if _first(chain, UserNotLive):
        return Code.NOT_LIVE
    if statement is not None and (stated := statements.said(statement.orig_msg)) is not None:
        return stated
    if _first(chain, RecursionError):
        return Code.UNSUPPORTED_URL
    return (
        _network(chain, job_record)
        or _hidden(job_record)
        or (Code.UNSUPPORTED_URL if _first(chain, UnsupportedError) else None)
        or _slip(chain)
        or (Code.NO_MEDIA if statement is not None else None)
        or (Code.INVALID_URL if _first(chain, RequestError) else None)
        or Code.EXTRACTOR_BROKEN
    )


def _network(chain: tuple[BaseException, ...], job_record: JobRecord) -> Code | None:
    """The code where the chain says that a request failed; None where it does not."""
    if (refused := _first(chain, Refused)) is not None:
        code: Code = refused.permission.code
        return code
    if (answer := _first(chain, HTTPError)) is not None:
        if job_record.challenged and answer.status in (403, 429, 503):
            return Code.BOT_CHECK
        return _of_status(answer.status)
    if (proxy := _first(chain, ProxyError)) is not None:
        return _of_proxy(proxy, chain, job_record)
    if _first(chain, (UnsupportedRequest, NoSupportingHandlers)):
        return Code.INVALID_URL
    if _first(chain, socket.gaierror):
        return Code.DNS
    if _first(chain, TimeoutError) or any("Timeout" in type(link).__name__ for link in chain):
        return Code.UPSTREAM_TIMEOUT
    if _first(chain, TransportError) or _first(chain, OSError):
        return Code.UPSTREAM_NETWORK
    return None


def _of_proxy(error: ProxyError, chain: tuple[BaseException, ...], job_record: JobRecord) -> Code:
    """Whether the proxy failed, or the site behind it.

    urllib3 also says "Unable to connect to proxy" of a site that resets its connection through the proxy, and
    http.client puts the status of a refused tunnel into the text only.
    """
    if _first(chain, (NewConnectionError, ConnectTimeoutError)):
        return Code.PROXY
    tunnel = re.search(r"Tunnel connection failed: (\d{3})", str(error))
    status = int(tunnel[1]) if tunnel is not None else 502
    if status in proxy_check.REFUSES and not job_record.proxy_lives:
        return Code.PROXY
    if status < 500:  # its rules do not let it reach this host or port
        return Code.BLOCKED_TARGET
    return Code.UPSTREAM_TIMEOUT if status == 504 else Code.UPSTREAM_NETWORK


def _culprit(code: Code, chain: tuple[BaseException, ...], job_record: JobRecord) -> str:
    """The endpoint whose answer or silence `code` is."""
    answer = _first(chain, HTTPError)
    if answer is not None and (endpoint := endpoint_of(answer.response.url or "")) in job_record.endpoints:
        return endpoint
    if code is Code.RATE_LIMITED:
        return next((name for name, it in job_record.endpoints.items() if it.limited), job_record.asked)
    return job_record.asked


def _hidden(job_record: JobRecord) -> Code | None:
    """The code of a status that yt-dlp swallowed on its way to giving up."""
    if job_record.refused is not None:
        return job_record.refused.permission.code
    if job_record.challenged:
        return Code.BOT_CHECK
    if 429 in job_record.statuses:
        return Code.RATE_LIMITED
    last = job_record.statuses[-1] if job_record.statuses else 0
    return _of_status(last) if last in _TELLING_STATUSES or last >= 500 else None


def _of_status(status: int) -> Code:
    return _STATUSES.get(status, Code.UPSTREAM_ERROR)


def _statement(chain: tuple[BaseException, ...]) -> ExtractorError | None:
    """The extractor's statement about the video: an expected error that does not wrap a failed request."""
    for link in chain:
        if isinstance(link, ExtractorError) and not isinstance(link, UnsupportedError):
            wraps = isinstance(link.cause, (RequestError, OSError)) or link.__cause__ is not None
            return link if link.expected and not wraps else None
    return None


def _wants_a_browser(statement: ExtractorError | None) -> bool:
    """Whether an extractor gave up for that reason, before it asked the site."""
    return statement is not None and "impersonate target" in str(statement.orig_msg)


def _slip(chain: tuple[BaseException, ...]) -> Code | None:
    """The code of a statement about the video that the extractor raises as a defect of its own."""
    error = _first(chain, ExtractorError)
    return statements.stated_by_defect(error.orig_msg) if error is not None else None


def _first(chain: tuple[BaseException, ...], kind: type | tuple[type, ...]) -> Any:
    return next((link for link in chain if isinstance(link, kind)), None)


def _clean(text: object) -> str:
    """A site's words as one short printable line: no URLs, no paths, no advice on command-line options."""
    line = re.sub(r"\w+://\S+|(?:/[\w.-]+){2,}", "…", statements.without_advice(str(text)))
    line = "".join(character for character in line if character.isprintable())
    line = " ".join(line.replace('"', "'").split()).strip(" .:;,")
    if not any(map(str.isalpha, line)):
        return ""
    return line if len(line) <= _MAX_REASON else f"{line[: _MAX_REASON - 1]}…"
