"""The address of the engine, as CLUSTER_URL has it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

SCHEMES = {"redis": False, "valkey": False, "rediss": True, "valkeys": True}  # with TLS
PORT = 6379
SHAPE = "CLUSTER_URL must look like redis://user:password@host:6379/0, or rediss://… for TLS"


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """Where the engine is, and who we are to it."""

    host: str
    port: int = PORT
    user: str = "default"
    password: str | None = field(default=None, repr=False)
    database: int = 0
    tls: bool = False

    @classmethod
    def parse(cls, url: str) -> EngineAddress:
        """Raises ValueError, with a sentence that does not repeat the URL, which has a password."""
        try:
            parts = urlsplit(url)
            port = parts.port or PORT
            database = int(parts.path.strip("/") or 0)
        except ValueError:
            raise ValueError(SHAPE) from None
        if parts.scheme not in SCHEMES or not parts.hostname or parts.query or parts.fragment or database < 0:
            raise ValueError(SHAPE)
        password = None if parts.password is None else unquote(parts.password)
        user = unquote(parts.username or "") or "default"
        return cls(parts.hostname, port, user, password, database, SCHEMES[parts.scheme])

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"
