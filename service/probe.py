"""Ask a running service whether it is ready. A container's health check runs this every few seconds, so it
imports next to nothing: `python -m service.probe [URL]`; `ytdlpd health` is the same for people.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
from typing import Any
from urllib.parse import urlsplit

TIMEOUT = 3.0  # seconds


def problem(url: str) -> str | None:
    """Why the service at `url` (http://host:port) is not ready, in a sentence; None where it is."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        # Not urllib's opener: it would ask the proxy that the environment names.
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
        try:
            connection.request("GET", f"{parts.path.rstrip('/')}/health/ready")
            response = connection.getresponse()
            body = response.read(4096)
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"no answer from {url}: {error}"
    answer = _answer(body)
    if answer.get("ok") is True and answer.get("status") == "ready":
        return None
    if isinstance(answer.get("error"), str):
        return f"{url} answers {response.status}: {answer['error']}"
    return f"{url} answers {response.status}, but it is not ytdlpd; look for another HOST or PORT"


def local(port: str | int) -> str:
    """The URL of a service on this machine."""
    return f"http://127.0.0.1:{port}"


def _answer(body: bytes) -> dict[str, Any]:
    """The object in `body`; empty where there is none."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def main() -> None:
    """Exit with 0 where the service is ready, with 1 and a sentence where it is not."""
    found = problem(sys.argv[1] if len(sys.argv) > 1 else local(os.environ.get("PORT", "3000")))
    if found is not None:
        sys.exit(found)


if __name__ == "__main__":
    main()
