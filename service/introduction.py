"""What this instance tells the others of itself."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from . import __version__
from .breaker.registry import Breakers
from .cluster.messages import SITES, Member
from .cluster.port import Cluster
from .dispatch.dispatcher import Dispatcher
from .lifecycle import Lifecycle
from .pool.pool import Pool


def introduce(
    id: str,
    urls: Sequence[str],
    lifecycle: Lifecycle,
    pool: Pool,
    breakers: Breakers,
    dispatcher: Dispatcher,
    cluster: Cluster,
) -> Member:
    """This instance, as others see it; `urls` is where it listens."""
    port = urlsplit(urls[0]).port if urls else None
    workers, cache, shared = pool.summary(), dispatcher.cache(), cluster.statistics()
    tripped = [each for each in breakers.statistics().sites if each.state != "CLOSED"]
    return Member(
        id=id,
        name=socket.gethostname() if port is None else f"{socket.gethostname()}:{port}",
        version=__version__,
        ytdlp=workers.ytdlp,
        phase=lifecycle.phase,
        uptime=lifecycle.uptime,
        workers=workers.active_workers,
        busy=workers.active_tasks,
        queue=workers.queue_length,
        jobs=workers.total_tasks,
        hits=cache.hits,
        misses=cache.misses,
        shared_hits=0 if shared is None else shared.hits,
        breakers={each.site: each.state for each in tripped[:SITES]},
    )
