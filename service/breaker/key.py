"""What a breaker watches."""

from __future__ import annotations

from dataclasses import dataclass

from .sites import ACCOUNT, site_of_endpoint


@dataclass(frozen=True, slots=True)
class BreakerKey:
    """What a breaker watches: an endpoint of a site through one egress ("" is the only one so far).

    An empty `endpoint` is the main one, which has the site's name. A site may treat the operator's `account`
    unlike others.
    """

    site: str
    egress: str = ""
    endpoint: str = ""
    account: bool = False

    @classmethod
    def of(cls, endpoint: str, *, account: bool = False) -> BreakerKey:
        site = site_of_endpoint(endpoint)
        return cls(site, endpoint="" if endpoint == site else endpoint, account=account)

    @property
    def place(self) -> str:
        return self.endpoint or self.site

    @property
    def name(self) -> str:
        return f"{self.place}{ACCOUNT}" if self.account else self.place
