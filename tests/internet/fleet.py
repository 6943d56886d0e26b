"""`make fleet`: HAProxy, three instances and the Valkey that they share, in front of the small internet.

Ctrl-C ends them all. Kill what you like meanwhile: requests go on.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import NoReturn

from tests.support.engine import engine
from tests.support.reverse_proxies import fleet_proxy
from tests.support.running_service import ADMIN_KEY, Service

from .client import Internet

PORT = 3000
WORDS = """\
Three instances run behind HAProxy and share a Valkey, in front of a small internet that exists only here.
Open {url}/ or try:

  curl -s '{url}/api/v1/size?url=https%3A%2F%2Fwww.youtube.com%2Fwatch%3Fv%3DdQw4w9WgXcQ'

who is there, and what is shared (at any of them):
  curl -s {url}/api/v1/fleet -H 'X-API-Key: {key}'
  {direct}

an order for all of them:
  curl -s {url}/api/v1/admin/circuit-breaker/open -H 'X-API-Key: {key}' \\
    -H 'Content-Type: application/json' -d '{{"site": "youtube.com"}}'

kill an instance, hang the Valkey, wake it:
  kill -9 {instance}
  kill -STOP {valkey}
  kill -CONT {valkey}

Ctrl-C ends it.
"""


def main() -> int:
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, _stop)
    with ExitStack() as stack:
        internet = stack.enter_context(Internet.spawn())
        valkey = stack.enter_context(engine())
        settings = {"CLUSTER_URL": valkey.url, "MAX_WORKERS": 2, "TRUSTED_PROXIES": "127.0.0.0/8"}
        fleet: list[Service] = []
        for number in range(1, 4):
            print(f"Starting instance {number} of 3; it takes some seconds until yt-dlp is warm.", flush=True)
            fleet.append(stack.enter_context(Service.run(internet, settings=settings)))
        folder = Path(stack.enter_context(TemporaryDirectory()))
        listen = f"127.0.0.1:{os.environ.get('PORT') or PORT}"
        addresses = [each.url.removeprefix("http://") for each in fleet]
        proxy = stack.enter_context(fleet_proxy(addresses, folder, listen))
        print(
            WORDS.format(
                url=proxy.url,
                key=ADMIN_KEY,
                direct="  ".join(f"{each.url}/dashboard" for each in fleet),
                instance=fleet[1].process.pid,
                valkey=valkey.pid,
            ),
            flush=True,
        )
        try:
            signal.pause()
        except KeyboardInterrupt:
            return 0
    return 0


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    """Leave as at Ctrl-C, and end what was started on the way out."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
