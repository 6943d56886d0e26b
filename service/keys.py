"""API keys: the settings of the `[keys]` table, and the key that a request carries. Pure.

The settings hold a key's SHA-256, never the key itself. A fast hash is enough because a key is random and
long, unlike a password; `new_key` makes one.

    [keys.alice]
    hash = "9f86d081…"   # python -c 'import hashlib; print(hashlib.sha256(b"the key").hexdigest())'
    tier = 0             # 0 is served first
    rate = 5.0           # requests per second, in bursts of up to `burst`
    burst = 20
    share = 2.0          # twice the turns of others in its tier when there is a queue
    admin = false
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

LONG_ENOUGH = 16  # characters that a key should have
_VARIETY = 6  # different characters among them

_SHA256 = re.compile(r"[0-9a-f]{64}")


class KeySettings(BaseModel):
    """The settings of one key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hash: SecretStr = Field(description="SHA-256 of the key in hexadecimal digits.")
    tier: int = Field(0, ge=0, le=9, description="Waits behind every smaller tier; 0 is served first.")
    rate: float | None = Field(None, gt=0, description="Requests per second; not given: the common limit.")
    burst: int | None = Field(None, ge=1, description="Requests at once; not given: as many as in a second.")
    share: float = Field(1.0, gt=0, le=100, description="Weight against other keys of its tier.")
    admin: bool = Field(False, description="Whether it may use the admin endpoints.")

    @field_validator("hash")
    @classmethod
    def _is_sha256(cls, value: SecretStr) -> SecretStr:
        digest = value.get_secret_value().strip().lower()
        if not _SHA256.fullmatch(digest):
            raise ValueError("it must be the 64 hexadecimal digits of the key's SHA-256, not the key")
        return SecretStr(digest)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A named key and its rights.

    Attributes:
        rate: requests per second, None for the common limit.
        burst: requests at once; counts only where `rate` is given.
        share: weight against other clients of the tier.
    """

    name: str
    tier: int
    rate: float | None
    burst: int
    share: float
    admin: bool


class KeyRing:
    """All known keys."""

    def __init__(self, keys: tuple[tuple[bytes, ApiKey], ...]) -> None:
        self._keys = keys

    @classmethod
    def of(cls, settings: Mapping[str, KeySettings]) -> Self:
        """The ring of a `[keys]` table."""
        return cls(tuple((_digest_of(key), _api_key(name, key)) for name, key in settings.items()))

    def __len__(self) -> int:
        return len(self._keys)

    def identify(self, presented: str) -> ApiKey | None:
        """The key with the hash of `presented`, or None, in constant time."""
        digest = digest_of(presented)
        found: ApiKey | None = None
        for known, key in self._keys:
            if hmac.compare_digest(digest, known):
                found = key
        return found


def check_keys(api: SecretStr | None, admin: SecretStr | None, named: Mapping[str, KeySettings]) -> None:
    """Raises ValueError where ADMIN_KEY is easily guessed, or where one key stands for two owners."""
    if admin is not None and is_weak(admin.get_secret_value()):
        raise ValueError(
            f"ADMIN_KEY is easily guessed; take {LONG_ENOUGH} random characters or more, for example from "
            "`openssl rand -base64 24`"
        )
    owners = {f"[keys.{name}]": _digest_of(settings) for name, settings in named.items()}
    single = {"API_KEY": api, "ADMIN_KEY": admin}
    owners |= {name: digest_of(key.get_secret_value()) for name, key in single.items() if key is not None}
    known: dict[bytes, str] = {}
    for owner, digest in owners.items():
        if digest in known:
            raise ValueError(f"{known[digest]} and {owner} are the same key; each needs its own")
        known[digest] = owner


def is_weak(key: str) -> bool:
    """Whether `key` is shorter than a random key, or hardly varies."""
    return len(key) < LONG_ENOUGH or len(set(key)) < _VARIETY


def digest_of(key: str) -> bytes:
    """SHA-256 of `key`; any text has one, invalid Unicode included."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def new_key() -> tuple[str, str]:
    """A new random key, and the hash for the settings."""
    key = secrets.token_urlsafe(32)
    return key, digest_of(key).hex()


def _digest_of(settings: KeySettings) -> bytes:
    return bytes.fromhex(settings.hash.get_secret_value())


def _api_key(name: str, settings: KeySettings) -> ApiKey:
    rate = settings.rate
    burst = settings.burst or max(1, round(rate or 1))
    return ApiKey(name, settings.tier, rate, burst, settings.share, settings.admin)
