"""The names of what the engine keeps and of its channels, and the digests in them. Pure.

Nothing stands there in the clear that a client sent. The number in the prefix is another one where an older
instance must not read what a newer one writes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields

from ..config import Config
from ..wire import Job

PREFIX = "ytdlpd:1:"

# Channels; those of journals are also the keys of what is kept of them.
DONE = f"{PREFIX}done"  # a flight has ended
ORDERS = f"{PREFIX}orders"
ANSWERS = f"{PREFIX}answers"
DEATHS = f"{PREFIX}deaths"
PAUSES = f"{PREFIX}pauses"
PURGES = f"{PREFIX}purges"
CHANNELS = (DONE, ORDERS, ANSWERS, DEATHS, PAUSES, PURGES)

# Keys.
MODES = f"{PREFIX}m"
RELEASES = f"{PREFIX}v"
MEMBERS = f"{PREFIX}i"
MEMBER = f"{MEMBERS}:"  # before an instance's id


def digest(text: str) -> str:
    """A short name for `text`, which does not tell what it was."""
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=12).hexdigest()


def job_digest(job: Job, way: str, version: str) -> str:
    """The name of `job`; equal for equal jobs that are done the same way.

    Args:
        way: what one exit address is shown may differ at another.
        version: of this service, whose versions may write the same result differently.
    """
    if job.cookies is not None:
        raise ValueError("a result with cookies is never shared")
    asked = {field.name: getattr(job, field.name) for field in fields(job)}
    return digest(json.dumps([asked, way, version], sort_keys=True, default=str))


def way_out(config: Config, *further: str) -> str:
    """The ways out, by which a site knows us, and what it is shown depends on; with `further` settings."""
    settings = config.masked()
    return json.dumps([settings[name] for name in ("egress_proxy", "egress", *further)], default=str)


def result(job: str) -> str:
    """Where the result of a job is kept, by its digest."""
    return f"{PREFIX}r:{job}"


def flight(job: str) -> str:
    """Where the lease of its extraction is."""
    return f"{PREFIX}f:{job}"


def limit(name: str, window: float, client: str) -> str:
    """Where a client's part of a rate limit is."""
    return f"{PREFIX}l:{digest(f'{name} {window:g} {client}')}"


def votes(place: str, way: str) -> str:
    """Where the votes about a place are, of those with the same ways out."""
    return f"{PREFIX}b:{digest(f'{place} {way}')}"
