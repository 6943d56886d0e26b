"""The address of the engine, as CLUSTER_URL has it: that of one server, or of its sentinels. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from ..breaker.sites import with_port

SERVERS = {"redis": False, "valkey": False, "rediss": True, "valkeys": True}  # with TLS
SENTINELS = {"sentinel": False, "sentinels": True}
PORT, SENTINEL_PORT = 6379, 26379
SHAPE = (
    "CLUSTER_URL must look like redis://user:password@host:6379/0, or rediss://… for TLS, or "
    "sentinel://user:password@host:26379,host:26379/name"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return with_port(self.host, self.port)


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """Where the engine is, and who we are to it.

    Attributes:
        places: of the engine, which is one, or of its sentinels.
        name: of the engine, as its sentinels call it; empty where there are none.
        tls: to the engine, and to its sentinels.
    """

    places: tuple[Place, ...]
    name: str = ""
    user: str = "default"
    password: str | None = field(default=None, repr=False)
    database: int = 0
    tls: bool = False

    @classmethod
    def parse(cls, url: str) -> EngineAddress:
        """Raises ValueError, with a sentence that does not repeat the URL, which has a password."""
        try:
            parts = urlsplit(url)
            login, _, hosts = parts.netloc.rpartition("@")
            user, has_password, password = login.partition(":")
            watched = parts.scheme in SENTINELS
            places = tuple(_place(each, SENTINEL_PORT if watched else PORT) for each in hosts.split(","))
            name, _, number = parts.path.strip("/").rpartition("/") if watched else ("", "", parts.path[1:])
            if watched and not name:
                name, number = number, ""
            database = int(number or 0)
        except ValueError:
            raise ValueError(SHAPE) from None
        if parts.scheme not in {**SERVERS, **SENTINELS} or parts.query or parts.fragment or database < 0:
            raise ValueError(SHAPE)
        if watched != bool(name) or (len(places) > 1 and not watched):
            raise ValueError(SHAPE)
        return cls(
            places,
            unquote(name),
            unquote(user) or "default",
            unquote(password) if has_password else None,
            database,
            {**SERVERS, **SENTINELS}[parts.scheme],
        )

    def __str__(self) -> str:
        places = ",".join(map(str, self.places))
        return f"{self.name} of the sentinels {places}" if self.name else places


def _place(text: str, port: int) -> Place:
    """Raises ValueError."""
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.path:
        raise ValueError("there is no host")
    return Place(parts.hostname, parts.port or port)
