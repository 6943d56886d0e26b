"""Sites on loopback, reached by address, without a name and without a proxy."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site(BaseHTTPRequestHandler):
    """A site that logs nothing."""

    def log_message(self, *args: object) -> None: ...


class VideoSite(Site):
    """A video at every path, after `delay` seconds."""

    delay = 0.0

    def do_GET(self) -> None:
        time.sleep(self.delay)
        self.send_response(200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET


@contextlib.contextmanager
def origin(site: type[Site]) -> Iterator[int]:
    """The port of 127.0.0.1 at which `site` answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), site) as server:
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
