"""A client of the HTTP API: `from ytdlpd.client import Client`, or AsyncClient for asyncio and Trio.

It needs the extra `client` (pip install "ytdlpd[client]"), and nothing else of the service but its codes.
"""

from __future__ import annotations

from ..codes import Code
from .async_client import AsyncClient
from .calls import EntriesOptions, ExtractOptions, PageOptions, SizeOptions, SubtitlesOptions
from .errors import Declined, Failed, Refused, ServiceError, Unreachable
from .patience import Patience
from .streams import Line, Step, Total
from .sync_client import Client

__all__ = [
    "AsyncClient",
    "Client",
    "Code",
    "Declined",
    "EntriesOptions",
    "ExtractOptions",
    "Failed",
    "Line",
    "PageOptions",
    "Patience",
    "Refused",
    "ServiceError",
    "SizeOptions",
    "Step",
    "SubtitlesOptions",
    "Total",
    "Unreachable",
]
