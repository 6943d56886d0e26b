"""Ask a running service whether it is ready. A container's health check runs this every few seconds, so it
imports next to nothing: `python -m service.probe [URL]`; `ytdlpd health` is the same for people.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

TIMEOUT = 3.0  # seconds
READY_LONGEST = 4096  # bytes that it reads of an answer to whether it is ready
LONGEST = 1 << 22  # of every other
UNIX = "unix:"
STRANGER = "it is not ytdlpd; look for another HOST or PORT"

# Hosts that are no address to connect to.
_OWN = {"": "127.0.0.1", "localhost": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1"}  # noqa: S104


def problem(url: str, *, proxy_protocol: bool = False) -> str | None:
    """Why the service at `url` (http://host:port, unix:/path) is not ready, in a sentence; None where it is.

    Args:
        proxy_protocol: the service expects its header from this machine.
    """
    try:
        answer = ask(url, "/health/ready", proxy_protocol=proxy_protocol, longest=READY_LONGEST)
    except NoAnswer as error:
        return str(error)
    return None if answer.get("status") == "ready" else f"{url} answers, but {STRANGER}"


class NoAnswer(Exception):
    """The service does not answer, or says no; the text is a sentence."""


def ask(
    url: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    proxy_protocol: bool = False,
    longest: int = LONGEST,
) -> dict[str, Any]:
    """What the service at `url` answers to a GET of `path`; at most `longest` bytes are read.

    Raises:
        NoAnswer: it answers nothing, an error, or as another program would.
    """
    try:
        connection, base = _connection(url)
        try:
            connection.connect()
            if proxy_protocol:
                connection.sock.sendall(b"PROXY UNKNOWN\r\n")
            connection.request("GET", base.rstrip("/") + path, headers=dict(headers or {}))
            response = connection.getresponse()
            body = response.read(longest)
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NoAnswer(f"no answer from {url}: {error}") from None
    answer = _answer(body)
    if answer.get("ok") is True:
        return answer
    if isinstance(answer.get("error"), str):
        raise NoAnswer(f"{url} answers {response.status}: {answer['error']}")
    raise NoAnswer(f"{url} answers {response.status}, but {STRANGER}")


def local(port: str | int, hosts: str = "") -> str:
    """The URL of a service on this machine that listens on `hosts`, as the setting HOST has them."""
    host = hosts.split(",")[0].strip()
    if host.startswith(UNIX):
        return host
    host = _OWN.get(host.lower(), host).strip("[]")
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _connection(url: str) -> tuple[http.client.HTTPConnection, str]:
    """A connection to `url`, not yet open, and the path there."""
    if url.startswith(UNIX):
        return _UnixConnection(url.removeprefix(UNIX)), ""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    # Not urllib's opener: it would ask the proxy that the environment names.
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=TIMEOUT), parts.path


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _answer(body: bytes) -> dict[str, Any]:
    """The object in `body`; empty where there is none."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def main() -> None:
    """Exit with 0 where the service is ready, with 1 and a sentence where it is not."""
    here = local(os.environ.get("PORT", "3000"), os.environ.get("HOST", ""))
    found = problem(sys.argv[1] if len(sys.argv) > 1 else here)
    if found is not None:
        sys.exit(found)


if __name__ == "__main__":
    main()
