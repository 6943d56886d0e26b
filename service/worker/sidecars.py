"""Requests of plugins to the operator's sidecars, such as a PO-token provider.

They go directly, whatever the egress proxy, and are none of the job's: they count in no budget, ask no
breaker, and end within seconds. One that fails is left alone for a while, and the plugin goes without it.
"""

from __future__ import annotations

import io
import signal
import ssl
import time
from typing import Any
from urllib.parse import urlsplit

from yt_dlp.networking import Request, Response
from yt_dlp.networking._requests import RequestsRH
from yt_dlp.networking.exceptions import HTTPError, TransportError, UnsupportedRequest

from . import plugins
from .alarms import alarm
from .egress import Guard
from .transport import tls_context

LIMIT = 5.0  # seconds for one request, up to the end of its answer
REST = 30.0  # seconds for which one that fails is not asked by this worker
MAX_BODY = 1 << 20


def check(guard: Guard, url: str) -> None:
    """Check `url`, which yt-dlp is about to request: a site's, or a sidecar's where a plugin asks for it.

    Raises:
        Blocked: it may not be requested.
        TransportError: a provider of tokens asks for it, and may not; its job goes without.
    """
    if _is_asked(guard, url):
        return
    if guard.refusal(url) and plugins.asked_by(plugins.PROVIDERS):
        guard.job_record.sidecars[_place(url)] = "it is not one of SIDECARS"
        raise TransportError("a place that is not one of SIDECARS")
    guard.check_url(url)


def _is_asked(guard: Guard, url: str) -> bool:
    return guard.is_sidecar(url) and plugins.asked_by(plugins.PACKAGE)


def _place(url: str) -> str:
    """The host and port of `url`, without credentials and path."""
    return urlsplit(url).netloc.rpartition("@")[2]


class _TimeUp(BaseException):
    """LIMIT is over. A BaseException, so that no library takes it for an error of the connection."""


class SidecarRH(RequestsRH):  # type: ignore[misc]  # yt-dlp is untyped
    """yt-dlp's handler for requests, for sidecars alone."""

    def __init__(self, *, guard: Guard, ca_file: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source_address = None  # the job's own is not of the sidecar's network
        self._guard = guard
        self._ca_file = ca_file

    def _validate(self, request: Request) -> None:
        if not _is_asked(self._guard, request.url):
            raise UnsupportedRequest("not a sidecar")

    def _make_sslcontext(self, legacy_ssl_support: bool | None = None) -> ssl.SSLContext:
        return tls_context(self._ca_file, bool(legacy_ssl_support))

    def _create_instance(self, cookiejar: Any, legacy_ssl_support: bool | None = None) -> Any:
        session = super()._create_instance(cookiejar, legacy_ssl_support)
        session.max_redirects = 0
        return session

    def _get_proxies(self, request: Any) -> Any:
        return {}

    def _calculate_timeout(self, request: Any) -> float:
        return LIMIT

    def _send(self, request: Request) -> Response:
        place = _place(request.url)
        if time.monotonic() < self._guard.resting.get(place, 0.0):
            raise TransportError(f"{place} has just failed")
        try:
            with alarm(signal.ITIMER_REAL, LIMIT, _TimeUp, again=1.0), self._guard.vouching(request.url):
                return self._exchange(request)
        except HTTPError as error:
            if error.status >= 500 or error.redirect_loop:
                self._guard.job_record.sidecars[place] = f"it answers {error.status}"
            raise
        except _TimeUp:
            raise self._failed(place, f"it does not answer within {LIMIT:g} s") from None
        except Exception as error:  # of any other kind yt-dlp would try the next handler
            raise self._failed(place, "it cannot be reached") from error

    def _exchange(self, request: Request) -> Response:
        try:
            return _whole(super()._send(request))
        except HTTPError as error:
            raise HTTPError(_whole(error.response), redirect_loop=error.redirect_loop) from None

    def _failed(self, place: str, problem: str) -> TransportError:
        self._guard.resting[place] = time.monotonic() + REST
        self._guard.job_record.sidecars[place] = problem
        return TransportError(f"{place}: {problem}")


def _whole(response: Any) -> Response:
    """`response` with its body read, so that no later read can hang."""
    with response:
        body = response.read(MAX_BODY)
    return Response(io.BytesIO(body), response.url, response.headers, response.status, response.reason)
