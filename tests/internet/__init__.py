"""The small internet on loopback: sites for yt-dlp's unmodified extractors, and how they fail.

By hand, with one JSON line on standard output when it listens:

    python -m tests.internet --port 8900 --ca-file /tmp/ca.pem
    SSL_CERT_FILE=/tmp/ca.pem yt-dlp -J --proxy http://127.0.0.1:8900 https://www.youtube.com/watch?v=dQw4w9WgXcQ

In a test, as a process of its own:

    with Internet.spawn(settings=EASY) as internet:
        ...  # internet.proxy, internet.ca_file, internet.counters(), internet.fail("site.example", "503") ...

In a test's own event loop: `world = await nursery.start(serve)`.

README.md lists every page and every failure, and what stock yt-dlp says to each.
"""

from .client import Counters, Internet
from .proxy import World, serve
from .settings import EASY, REALISTIC, Settings

__all__ = ["EASY", "REALISTIC", "Counters", "Internet", "Settings", "World", "serve"]
