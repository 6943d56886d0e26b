"""Authentication: X-API-Key against API_KEY, ADMIN_KEY and the [keys] table, in constant time.

Where no key is an admin's, the admin endpoints are closed, unless the service listens on loopback alone.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from pydantic import SecretStr
from werkzeug.datastructures import Headers

from ...codes import Code
from ...config import Config
from ...events import AccessRules
from ...keys import LONG_ENOUGH, KeyRing, digest_of, is_weak
from ..errors import Refused
from .cross_origin import CrossOriginProtection

HEADER = "X-API-Key"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a key stands for.

    Attributes:
        name: the name of the key; None for a key that many clients share, who are distinguished by address.
        tier, share: the priority of the requests, and the weight among clients of that tier.
        rate: requests per second, None for the common limit.
        burst: requests at once, where `rate` is given.
    """

    name: str | None = None
    tier: int = 0
    share: float = 1.0
    rate: float | None = None
    burst: int = 1
    admin: bool = False

    @property
    def label(self) -> str:
        """The name of the key, or of the setting that holds it, for the log."""
        return self.name or ("ADMIN_KEY" if self.admin else "API_KEY")


ANYBODY = Identity()

_CLOSED = "This is closed because no key is an admin's"


class Keys:
    """The keys of the service, kept as digests."""

    def __init__(self, config: Config) -> None:
        self._required = config.require_auth
        self._api = _digest(config.api_key)
        self._admin = _digest(config.admin_key)
        self._ring = KeyRing.of(config.keys)
        self._has_admins = _has_admins(config)
        self._loopback_only = config.loopback_only
        self._cross_origin = CrossOriginProtection(config.allowed_hosts)

    def identify(self, presented: str | None) -> Identity | None:
        """The identity of the key; None for an unknown key, and for no key."""
        if not presented:
            return None
        digest = digest_of(presented)
        is_api, is_admin = _same(digest, self._api), _same(digest, self._admin)
        named = self._ring.identify(presented)
        if is_admin:
            return Identity(admin=True)
        if named is not None:
            return Identity(named.name, named.tier, named.share, named.rate, named.burst, named.admin)
        return ANYBODY if is_api else None

    def is_admin(self, presented: str | None) -> bool:
        """Whether the key is an admin's."""
        identity = self.identify(presented)
        return identity is not None and identity.admin

    def admit(self, identity: Identity | None, presented: str | None) -> Identity:
        """The identity of a client of the API, whose key is already identified.

        Raises:
            Refused: UNAUTHORIZED, where keys are required and the key is missing or unknown.
        """
        if identity is None and self._required:
            raise _unauthorized(presented)
        return identity or ANYBODY

    def require_admin(self, headers: Headers) -> None:
        """Let only admins pass. Where no key is an admin's and none is required, those are the programs on
        this machine, if the service listens on loopback alone.

        Raises:
            Refused: UNAUTHORIZED; or KEY_NOT_ALLOWED for a known key that is not an admin's, for a service
                without a key of an admin, and for a request that a page of another origin sends.
        """
        presented = headers.get(HEADER)
        identity = self.identify(presented)
        if identity is not None and identity.admin:
            return
        if not (self._has_admins or self._required):
            reason = self._cross_origin.refusal(headers) if self._loopback_only else _CLOSED
            if reason is not None:
                raise Refused(Code.KEY_NOT_ALLOWED, f"{reason}; set ADMIN_KEY and send it in {HEADER}")
            return
        if identity is None:
            raise _unauthorized(presented)
        raise Refused(Code.KEY_NOT_ALLOWED, f"Your key in {HEADER} is known, but this needs an admin's key")

    def sees_sites(self, headers: Headers, presented: str | None) -> bool:
        """Whether the client may know which sites others ask for.

        An admin may. Where no key is required, so may everybody who reaches the port, but on loopback no page
        of another origin.
        """
        if self.is_admin(presented):
            return True
        if self._required:
            return False
        return not self._loopback_only or self._cross_origin.refusal(headers) is None


def access_rules(config: Config) -> AccessRules:
    """Who may do what, in words for the log."""
    if _has_admins(config):
        admin = "clients with an admin's key"
    elif config.require_auth:
        admin = "nobody: no key is an admin's"
    elif config.loopback_only:
        admin = "programs on this machine"
    else:
        admin = "nobody: ADMIN_KEY is not set"
    if config.require_auth:
        extraction = "clients with a key"
    else:
        extraction = "programs on this machine" if config.loopback_only else "everybody who reaches the port"
    weak = config.api_key is not None and is_weak(config.api_key.get_secret_value())
    advice = f"API_KEY is easily guessed; take {LONG_ENOUGH} random characters or more" if weak else None
    return AccessRules(extraction, admin, advice)


def _has_admins(config: Config) -> bool:
    return config.admin_key is not None or any(key.admin for key in config.keys.values())


def _unauthorized(presented: str | None) -> Refused:
    what = f"The key in {HEADER} is not known" if presented else f"Send your key in the header {HEADER}"
    return Refused(Code.UNAUTHORIZED, what, headers={"WWW-Authenticate": f'ApiKey header="{HEADER}"'})


def _digest(key: SecretStr | None) -> bytes | None:
    return None if key is None else digest_of(key.get_secret_value())


def _same(digest: bytes, known: bytes | None) -> bool:
    return hmac.compare_digest(digest, known or bytes(32)) and known is not None
