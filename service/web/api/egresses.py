"""The egresses in requests and reports: which one a client asks for, and how each of them does."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...codes import Code
from ...config import Config
from ...egress.pool import EgressStatistics
from ...egress.settings import names_of
from ..errors import Refused
from .report_models import EgressReport, SiteQuarantine

WantedEgress = Annotated[
    str | None,
    Field(
        None,
        min_length=1,
        max_length=32,
        description="The egress to use, by name or class: media URLs hold for the address that asked.",
    ),
]


def wanted(asked: str | None, config: Config) -> str:
    """The egress that a client asks for; "" for any.

    Raises:
        Refused: INVALID_REQUEST, where there is none of that name or class.
    """
    if asked is None:
        return ""
    known = names_of(config.egress)
    if asked not in known:
        there_are = f"must be one of {', '.join(known)}" if known else "is of no use: there is one way out"
        raise Refused(Code.INVALID_REQUEST, f"The field egress {there_are}", field="egress")
    return asked


def reports(egresses: tuple[EgressStatistics, ...], *, sites: bool = True) -> list[EgressReport]:
    """One for each egress; `sites`: with the names of those that it is left out for."""
    return [
        EgressReport(
            name=each.name,
            egress_class=each.egress_class,
            state=each.state,
            in_flight=each.in_flight,
            jobs=each.jobs,
            failures=each.failures,
            quarantined=[
                SiteQuarantine(site=site if sites else "", seconds_left=left)
                for site, left in each.quarantined
            ],
        )
        for each in egresses
    ]
