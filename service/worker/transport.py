"""yt-dlp's usual request handler in a worker: it checks and counts every hop, over one shared TLS context.

requests follows redirects itself and sends each hop through its adapter, so the adapter is the one place that
sees every requested URL. yt-dlp's other handlers (urllib, curl_cffi, websockets) are left out, because they
would bypass the guard; only http and https are allowed anyway. curl.py has a guarded one of its own, and
sidecars.py one for what plugins ask.
"""

from __future__ import annotations

import functools
import socket
import ssl
from collections.abc import Callable
from typing import Any

import requests
from urllib3.connection import HTTPConnection
from urllib3.util.retry import Retry
from yt_dlp.networking import Request, Response
from yt_dlp.networking._helper import make_ssl_context
from yt_dlp.networking._requests import RequestsHTTPAdapter, RequestsRH
from yt_dlp.networking.exceptions import HTTPError
from yt_dlp.utils.networking import select_proxy

from . import proxy_check
from .egress import Guard
from .job_record import DeadProxy, JobRecord, Refused

MAX_REDIRECTS = 20  # as in browsers
_CHUNK = 1 << 20
_IP_FREEBIND, _IPV6_FREEBIND = 15, 78  # of Linux; they need no capability


@functools.cache
def tls_context(ca_file: str | None, legacy: bool) -> ssl.SSLContext:
    """The shared context, because making one takes 19 ms. `ca_file` is trusted besides certifi's CAs."""
    context: ssl.SSLContext = make_ssl_context(legacy_support=legacy)
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


def suspect(guard: Guard, proxy: str, tls: ssl.SSLContext) -> None:
    """Raises DeadProxy where the failure that was just met is the proxy's own."""
    job_record = guard.job_record
    if not job_record.proxy_lives:
        job_record.proxy_lives = proxy_check.lives(proxy, tls)
    if not job_record.proxy_lives:
        raise DeadProxy("the proxy does not work")


class GuardedAdapter(RequestsHTTPAdapter):  # type: ignore[misc]  # yt-dlp is untyped
    """Checks and counts each hop."""

    def __init__(
        self, guard: Guard, *, ssl_context: ssl.SSLContext, source_address: str | None = None, **kwargs: Any
    ) -> None:
        self._guard = guard
        self._tls = ssl_context
        self._source = source_address
        super().__init__(ssl_context=ssl_context, source_address=source_address, **kwargs)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> Any:
        options = [*HTTPConnection.default_socket_options, *_freebind(self._source)]
        return super().init_poolmanager(*args, **kwargs, socket_options=options)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        # urllib3 does not set TCP_NODELAY for a proxy. Then a request waits for the acknowledgement of the
        # last TLS handshake message: 40 ms for each connection, and again for each POST.
        options = HTTPConnection.default_socket_options
        return super().proxy_manager_for(proxy, socket_options=options, **kwargs)

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        self._guard.check_url(request.url)
        job_record = self._guard.job_record
        try:
            job_record.asking(request.url)
        except Refused as refused:
            raise requests.exceptions.ConnectionError(refused) from refused
        proxy = select_proxy(request.url, kwargs.get("proxies") or {})
        try:
            response = super().send(request, *args, **kwargs)
        except Exception as error:
            if proxy:
                suspect(self._guard, proxy, self._tls)
            job_record.failing()
            if isinstance(error, EOFError):  # a SOCKS proxy closed the connection instead of an answer
                raise requests.exceptions.ConnectionError(error) from error
            raise
        if proxy and response.status_code == 407 and request.url.startswith("http:"):
            suspect(self._guard, proxy, self._tls)  # a site may say that, too
        job_record.answered(response.status_code, response.headers)
        return response


class GuardedRH(RequestsRH):  # type: ignore[misc]
    """yt-dlp's handler for requests, with guarded adapters, the shared TLS context and metered bodies."""

    def __init__(self, *, guard: Guard, ca_file: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._guard = guard
        self._ca_file = ca_file

    def _make_sslcontext(self, legacy_ssl_support: bool | None = None) -> ssl.SSLContext:
        return tls_context(self._ca_file, bool(legacy_ssl_support))

    def _create_instance(self, cookiejar: Any, legacy_ssl_support: bool | None = None) -> Any:
        session = super()._create_instance(cookiejar, legacy_ssl_support)
        session.max_redirects = MAX_REDIRECTS
        session.adapters.clear()
        # Mounted for every scheme, so that a redirect to file: or ftp: is a denial and not an error.
        tls = self._make_sslcontext(legacy_ssl_support)
        adapter = GuardedAdapter(
            self._guard, ssl_context=tls, source_address=self.source_address, max_retries=Retry(False)
        )
        session.mount("", adapter)
        return session

    def _get_proxies(self, request: Any) -> Any:
        return self.proxies.copy()  # never the request's: an extractor or a header could name another proxy

    def _send(self, request: Request) -> Response:
        try:
            response = super()._send(request)
        except HTTPError as error:
            _meter(error.response, self._guard.job_record)
            raise
        _meter(response, self._guard.job_record)
        return response


def _freebind(source: str | None) -> list[tuple[int, int, int]]:
    """The socket option by which an address of a routed network need not be on an interface."""
    if source is None:
        return []
    if ":" in source:
        return [(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)]
    return [(socket.IPPROTO_IP, _IP_FREEBIND, 1)]


def _meter(response: Any, job_record: JobRecord) -> None:
    """Count a body in pieces as it is read, so that a decompression bomb stops at the budget."""
    read: Callable[[int], bytes] = response._real_read

    def metered(amount: int | None = None) -> bytes:
        if amount is not None:
            return job_record.read(read(amount))
        return b"".join(iter(lambda: job_record.read(read(_CHUNK)), b""))

    response._real_read = metered
