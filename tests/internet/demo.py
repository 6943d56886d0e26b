"""`make demo`: the service in front of the small internet, and three requests to try.

Ctrl-C ends both, and so do SIGTERM and the end of the terminal.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn
from urllib.request import ProxyHandler, build_opener

from .client import Internet

_ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds until the service must be healthy

REQUESTS = """\
The service runs at {base} in front of a small internet that exists only on this machine. Try:

  how big is a video in each resolution?
    curl -s {base}/api/v1/size -H 'Content-Type: application/json' \\
      -d '{{"url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ"}}'

  what is behind this page?
    curl -s '{base}/api/v1/extract?url=https%3A%2F%2Fhtml5.example%2F&fields=title,formats'

  and when the site says no?
    curl -s -i {base}/api/v1/size -H 'Content-Type: application/json' \\
      -d '{{"url": "https://youtu.be/private____"}}'

And to look at:
  {base}/               a page to paste an address into
  {base}/dashboard      what happens inside, live
  {base}/api/v1/docs    the API, to try out

Ctrl-C ends it. tests/internet/README.md lists more pages, and every way to fail.
"""


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    port = int(os.environ.get("PORT") or _free_port())
    base = f"http://127.0.0.1:{port}"
    with Internet.spawn() as internet:
        environment = {
            "LOG_LEVEL": "warning",  # so that the requests to try stay on the screen
            **os.environ,
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "EGRESS_PROXY": internet.proxy,
            "EGRESS_CA_FILE": str(internet.ca_file),
        }
        # A session of its own: Ctrl-C reaches it as the one SIGINT that is sent below, not as two.
        service = subprocess.Popen(
            [sys.executable, "-m", "service", "serve"], cwd=_ROOT, env=environment, start_new_session=True
        )
        try:
            print("Starting the service; it takes some seconds until yt-dlp is warm.", flush=True)
            if not _healthy(base, service):
                print("The service did not become healthy; its log above says why.", file=sys.stderr)
                return 1
            print(REQUESTS.format(base=base), flush=True)
            return service.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            _end(service)


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    """Leave as at Ctrl-C: what was started has sessions of its own, and is ended on the way out."""
    for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def _free_port() -> int:
    """3000 if it is free, else any."""
    for wanted in (3000, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", wanted))
            port: int = probe.getsockname()[1]
            return port
    raise OSError("no port is free")


def _healthy(base: str, service: subprocess.Popen[bytes]) -> bool:
    """Wait until /health answers 200; False when the service ends, or never does."""
    direct = build_opener(ProxyHandler({}))
    deadline = time.monotonic() + PATIENCE
    while service.poll() is None and time.monotonic() < deadline:
        try:
            with direct.open(f"{base}/health", timeout=5) as response:
                return bool(json.load(response)["ok"])
        except (OSError, ValueError, KeyError):  # not listening yet, or 503 while it warms up
            time.sleep(0.5)
    return False


def _end(service: subprocess.Popen[bytes]) -> None:
    """Ask it to drain; it has its grace and then some before it is killed."""
    if service.poll() is None:
        service.terminate()
    try:
        service.wait(timeout=20)
    except subprocess.TimeoutExpired:
        service.kill()
        service.wait()


if __name__ == "__main__":
    sys.exit(main())
