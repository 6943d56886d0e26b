"""The templates in use: that of the release in service, and while a new one is tried, the canary's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from .template import Template


class Wish(Protocol):
    """Who wants a worker, and whether of the canary."""

    canary: bool


class Templates:
    """Which template a worker is forked from, and which workers may serve whom.

    Attributes:
        main: of the release in service.
        canary: of the release that is being tried, or None.
        leaving: of the release that served before; its workers serve on until they are replaced, one by one.
    """

    def __init__(self, main: Template) -> None:
        self.main = main
        self.canary: Template | None = None
        self.leaving: Template | None = None

    def wanted(self, wish: Wish) -> Template:
        """The template whose workers `wish` asks for. A canary that has died is not waited for."""
        if wish.canary and self.canary is not None and self.canary.alive:
            return self.canary
        return self.main

    def suits(self, template: Template, wish: Wish) -> bool:
        """Whether workers of `template` may serve `wish`."""
        return template is self.wanted(wish) or template is self.leaving

    def lacking(self, wishes: Iterable[Wish], coming: Iterable[Template]) -> Template:
        """The template of which the first wish lacks a worker, where those of `coming` are on their way."""
        spare = list(coming)
        for wish in wishes:
            wanted = self.wanted(wish)
            if wanted not in spare:
                return wanted
            spare.remove(wanted)
        return self.main

    def promote(self) -> Template:
        """Put the canary into service; returns the template before it."""
        assert self.canary is not None
        self.leaving, self.main, self.canary = self.main, self.canary, None
        self.main.optional = False
        return self.leaving

    def withdraw(self) -> Template:
        """Take the canary out of use, and return it."""
        canary, self.canary = self.canary, None
        assert canary is not None
        return canary
