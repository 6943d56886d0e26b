"""Requests that pass for a browser's (curl_cffi), judged and counted like all others.

libcurl is native code, and the audit hook does not see its sockets. So each hop is judged here, and redirects
are followed here: the URL, which libcurl gets taken apart and put together again, and without a proxy every
address of its host, to which libcurl is then bound. Landlock confines it like the rest of the worker. It runs
in the worker's one thread, so alarms and budgets end it between two pieces of a body.
"""

from __future__ import annotations

import io
import os
import re
import socket
import urllib.request
from dataclasses import dataclass
from email.message import Message
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import certifi
from curl_cffi import Curl, CurlError, CurlInfo, CurlOpt
from curl_cffi.const import CurlECode
from urllib3.util.connection import allowed_gai_family
from yt_dlp.networking import Request, Response
from yt_dlp.networking._curlcffi import CurlCFFIRH
from yt_dlp.networking._helper import get_redirect_method
from yt_dlp.networking.common import Features
from yt_dlp.networking.exceptions import (
    CertificateVerifyError,
    HTTPError,
    IncompleteRead,
    ProxyError,
    RequestError,
    SSLError,
    TransportError,
    UnsupportedRequest,
)
from yt_dlp.networking.impersonate import ImpersonateRequestHandler
from yt_dlp.utils.networking import select_proxy

from .egress import Guard, place_of
from .job_record import Refused
from .transport import MAX_REDIRECTS, suspect, tls_context

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_ADDRESSES = 4  # of a host that libcurl may try


@dataclass(frozen=True, slots=True)
class _Hop:
    """One request of a chain of redirects."""

    url: str
    method: str
    headers: dict[str, str]
    data: bytes | None


class GuardedCurlRH(ImpersonateRequestHandler):  # type: ignore[misc]  # yt-dlp is untyped
    """yt-dlp's handler for requests that pass for a browser's."""

    _SUPPORTED_URL_SCHEMES = ("http", "https")
    _SUPPORTED_FEATURES = (Features.NO_PROXY, Features.ALL_PROXY)
    _SUPPORTED_PROXY_SCHEMES = CurlCFFIRH._SUPPORTED_PROXY_SCHEMES
    _SUPPORTED_IMPERSONATE_TARGET_MAP = CurlCFFIRH._SUPPORTED_IMPERSONATE_TARGET_MAP

    def __init__(self, *, guard: Guard, ca_file: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._guard = guard
        self._ca_file = ca_file

    @cached_property
    def _curl(self) -> Curl:
        return Curl()

    @cached_property
    def _bundle(self) -> str:
        """A file of all CAs to trust, as libcurl takes only one; in the job's scratch folder."""
        if self._ca_file is None:
            return certifi.where()
        file = Path(os.environ["TMPDIR"], "ca-bundle.pem")
        file.write_bytes(b"\n".join(Path(each).read_bytes() for each in (certifi.where(), self._ca_file)))
        return str(file)

    def close(self) -> None:
        if "_curl" in vars(self):
            self._curl.close()

    def _check_extensions(self, extensions: dict[str, Any]) -> None:
        super()._check_extensions(extensions)
        for name in ("impersonate", "cookiejar", "timeout", "legacy_ssl", "keep_header_casing"):
            extensions.pop(name, None)

    def _validate(self, request: Request) -> None:
        if not (request.extensions.get("impersonate") or self.impersonate):
            raise UnsupportedRequest("nobody to pass for")
        super()._validate(request)

    def _send(self, request: Request) -> Response:
        hop = _Hop(request.url, request.method, self._get_impersonate_headers(request), _body(request.data))
        for _ in range(MAX_REDIRECTS + 1):
            response = self._answer(hop, request)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                break
            hop = _redirected(hop, response.status, location)
        else:
            raise HTTPError(response, redirect_loop=True)
        if not 200 <= response.status < 300:
            raise HTTPError(response)
        return response

    def _answer(self, hop: _Hop, request: Request) -> Response:
        """The answer to one request.

        Raises:
            Blocked, OverBudget, DeadProxy: the job ends.
            RequestError: the request has failed.
        """
        guard = self._guard
        guard.check_url(hop.url)
        job_record = guard.job_record
        try:
            job_record.asking(hop.url)
        except Refused as refused:
            raise TransportError(cause=refused) from refused
        proxy = select_proxy(hop.url, self.proxies)
        jar = self._get_cookiejar(request)
        try:
            response = self._performed(hop, request, proxy, jar)
        except CurlError as error:
            if proxy:
                suspect(guard, proxy, tls_context(self._ca_file, False))
            job_record.failing()
            raise _translated(error) from error
        except OSError as error:
            job_record.failing()
            raise TransportError(cause=error) from error
        if proxy and response.status == 407:
            suspect(guard, proxy, tls_context(self._ca_file, False))  # a site may say that, too
        job_record.answered(response.status, response.headers)
        jar.extract_cookies(response, urllib.request.Request(hop.url))  # noqa: S310  # it is only read
        return response

    def _performed(self, hop: _Hop, request: Request, proxy: str | None, jar: Any) -> Response:
        """Raises CurlError or OSError where the request fails."""
        host, port = place_of(hop.url)
        addresses = [] if proxy else self._judged(host, port)
        heads, body = list[bytes](), io.BytesIO()

        def take_head(line: bytes) -> int:
            if line.startswith(b"HTTP/"):  # an interim answer's are not those of the last
                heads.clear()
            heads.append(line)
            return len(line)

        def take_body(piece: bytes) -> int:
            return body.write(self._guard.job_record.read(piece))

        curl, target = self._curl, self._get_request_target(request)
        curl.reset()
        curl.impersonate(self._SUPPORTED_IMPERSONATE_TARGET_MAP[target])
        options = {
            **_asked(_canonical(hop.url, host, port), hop),
            **self._limits(self._calculate_timeout(request), proxy),
            CurlOpt.HTTPHEADER: _lines(hop, jar),
            CurlOpt.RESOLVE: _pins(proxy) if proxy else [_pin(host, port, addresses)],
            CurlOpt.HEADERFUNCTION: take_head,
            CurlOpt.WRITEFUNCTION: take_body,
        }
        for option, value in options.items():
            curl.setopt(option, value)
        curl.perform()
        if addresses and str(ip_address(_text(curl.getinfo(CurlInfo.PRIMARY_IP)))) not in addresses:
            raise self._guard.job_record.deny("an address that was not judged")
        body.seek(0)
        status = int(str(curl.getinfo(CurlInfo.RESPONSE_CODE)))
        response = Response(body, hop.url, {}, status, extensions={"impersonate": target})
        response.headers = _message(heads)
        return response

    def _limits(self, timeout: float, proxy: str | None) -> dict[CurlOpt, Any]:
        """What libcurl may do, by which way, and for how long it waits."""
        return {
            CurlOpt.FOLLOWLOCATION: 0,
            CurlOpt.PROTOCOLS_STR: "http,https",
            CurlOpt.PROXY: proxy or "",  # empty: not even the environment's
            CurlOpt.SUPPRESS_CONNECT_HEADERS: 1,
            CurlOpt.CAINFO: self._bundle,
            CurlOpt.PROXY_CAINFO: self._bundle,
            CurlOpt.NOSIGNAL: 1,  # the alarms are the worker's
            CurlOpt.CONNECTTIMEOUT_MS: int(timeout * 1000),
            CurlOpt.LOW_SPEED_LIMIT: 1,
            CurlOpt.LOW_SPEED_TIME: max(1, round(timeout)),
        }

    def _judged(self, host: str, port: int) -> list[str]:
        """The addresses of `host`, all of which may be connected to. Raises Blocked where one may not."""
        found = socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            self._guard.check_address((address, port))
        return [str(ip_address(address)) for address in addresses[:_ADDRESSES]]


def _canonical(url: str, host: str, port: int) -> str:
    """`url` in a form that every reader takes apart alike."""
    parts = urlsplit(url)
    if not re.fullmatch(r"[a-z0-9_.-]+|[0-9a-f:.]+", host):
        raise RequestError("a malformed host")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else ""
    return f"{parts.scheme}://{_bracketed(host)}:{port}{path}{query}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _asked(url: str, hop: _Hop) -> dict[CurlOpt, Any]:
    """What is asked for. The data come last, behind their length."""
    options: dict[CurlOpt, Any] = {
        CurlOpt.URL: url,
        CurlOpt.CUSTOMREQUEST: hop.method,
        CurlOpt.NOBODY: int(hop.method == "HEAD"),
        CurlOpt.HTTPPROXYTUNNEL: int(url.startswith("https:")),
    }
    if hop.data is not None:
        options |= {CurlOpt.POSTFIELDSIZE: len(hop.data), CurlOpt.POSTFIELDS: hop.data}
    return options


def _pin(host: str, port: int, addresses: list[str]) -> bytes:
    """What libcurl is to take for the addresses of `host`, so that it asks nobody."""
    return f"{host}:{port}:{','.join(map(_bracketed, addresses))}".encode()


def _pins(proxy: str) -> list[bytes]:
    host, port = place_of(proxy)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [_pin(host, port, [str(entry[4][0]) for entry in found])]


def _body(data: Any) -> bytes | None:
    if data is None or isinstance(data, bytes):
        return data
    return bytes(data) if isinstance(data, (bytearray, memoryview)) else b"".join(data)


def _redirected(hop: _Hop, status: int, location: str) -> _Hop:
    """The next request of the chain, as yt-dlp's other handlers have it."""
    url = urljoin(hop.url, location)
    method = get_redirect_method(hop.method, status)
    dropped = set[str]()
    if method != hop.method:
        dropped |= {"content-length", "content-type", "transfer-encoding"}
    if urlsplit(url).netloc != urlsplit(hop.url).netloc:
        dropped |= {"authorization", "cookie"}
    headers = {name: value for name, value in hop.headers.items() if name.lower() not in dropped}
    return _Hop(url, method, headers, hop.data if method == hop.method else None)


def _lines(hop: _Hop, jar: Any) -> list[bytes]:
    headers = {**hop.headers}
    if not any(name.lower() == "cookie" for name in headers) and (cookies := jar.get_cookie_header(hop.url)):
        headers["Cookie"] = cookies
    lines = ["Expect:", *(f"{name}: {value}" if value else f"{name};" for name, value in headers.items())]
    if any(not line.isprintable() for line in lines):
        raise RequestError("a header with a character that none can have")
    return [line.encode("latin-1", "replace") for line in lines]


def _message(lines: list[bytes]) -> Message:
    found = Message()
    for line in lines[1:]:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            found[name.strip()] = value.strip()
    return found


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _translated(error: CurlError) -> RequestError:
    """yt-dlp's exception for libcurl's."""
    said = str(error)
    if refused := re.search(r"CONNECT tunnel failed, response (\d{3})", said):
        return ProxyError(f"Tunnel connection failed: {refused[1]}", cause=error)
    match error.code:
        case CurlECode.PROXY | CurlECode.COULDNT_RESOLVE_PROXY:
            return ProxyError(cause=error)
        case CurlECode.PEER_FAILED_VERIFICATION:
            return CertificateVerifyError(cause=error)
        case CurlECode.SSL_CONNECT_ERROR:
            return SSLError(cause=error)
        case CurlECode.OPERATION_TIMEDOUT:
            return TransportError(cause=TimeoutError(said))
        case CurlECode.PARTIAL_FILE:
            return IncompleteRead(partial=0, cause=error)
    return TransportError(cause=error)
