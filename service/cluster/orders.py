"""Orders of operators: given to one instance, carried out by all, each of which answers.

Modes that last (open, disable) are also kept by the engine, for instances that are away or start later. One
that joins takes over what is kept there. An engine that has forgotten everything is told again by those who
join it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Annotated, Any

import structlog
import trio
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ServiceError
from .connection import Rejected, Unavailable
from .link import Link
from .port import Action, Operator, OrderAnswer
from .results import PREFIX
from .scripts import MODES, ORDER

ORDERS = f"{PREFIX}orders"
ANSWERS = f"{PREFIX}answers"
EVERY = "*"  # all sites; no host is called so
KNOWN = ""  # the field that says that the engine has not forgotten
PATIENCE = 1.0  # seconds for the answers of the others
LASTING: tuple[Action, ...] = ("open", "disable")

log = structlog.get_logger(__name__)

Text = Annotated[str, Field(max_length=300)]


class _Order(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: Text
    by: Text
    action: Action
    subject: Annotated[str, Field(max_length=8192)] | None


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)

    order: Text
    name: Text
    before: Text = ""
    after: Text = ""
    problem: Text | None = None


class _Awaited:
    """The answers to an order, of which so many are expected."""

    def __init__(self, expected: int) -> None:
        self.answers: list[OrderAnswer] = []
        self.complete = trio.Event()
        self._expected = expected

    def take(self, answer: OrderAnswer) -> None:
        if len(self.answers) < self._expected:
            self.answers.append(answer)
        if len(self.answers) == self._expected:
            self.complete.set()


class Orders:
    """Gives and takes orders.

    Args:
        purge: called with each release of yt-dlp whose results are not to be used any more.
    """

    def __init__(self, link: Link, me: str, purge: Callable[[str], None]) -> None:
        self.operator: Operator | None = None
        self.name: Callable[[], str] = lambda: me
        self._link = link
        self._me = me
        self._purge = purge
        self._awaited: dict[str, _Awaited] = {}
        self._joined = trio.Event()

    async def give(self, action: Action, subject: str | None, others: int) -> tuple[OrderAnswer, ...]:
        """The answers of the other instances, of which there are so many; those that come in time."""
        order = self._order(action, subject)
        awaited = self._awaited[order.id] = _Awaited(others)
        try:
            await self._link.run_script(
                ORDER,
                (f"{PREFIX}m",),
                action if action != "release" else "",
                EVERY if subject is None else subject,
                ORDERS,
                order.model_dump_json(),
            )
            with trio.move_on_after(PATIENCE if others else 0):
                await awaited.complete.wait()
        except (Unavailable, Rejected) as error:
            log.warning("order_not_passed_on", action=action, reason=str(error))
        finally:
            del self._awaited[order.id]
        return tuple(sorted(awaited.answers, key=lambda answer: answer.name))

    def tell(self, action: Action, subject: str) -> None:
        """Give an order that neither lasts nor is answered, as far as the engine can be asked."""
        self._link.post("PUBLISH", ORDERS, self._order(action, subject).model_dump_json())

    def hear_order(self, payload: bytes) -> None:
        """Another instance's operator, or our own, wants something."""
        try:
            order = _Order.model_validate_json(payload)
        except ValidationError:
            return
        if order.by == self._me:
            return
        if order.action == "purge" and order.subject is not None:
            self._purge(order.subject)
        if self.operator is not None:
            answer = self._carried_out(order)
            self._link.post("PUBLISH", ANSWERS, answer.model_dump_json())

    def hear_answer(self, payload: bytes) -> None:
        """What another instance says to an order; only those to ours matter."""
        try:
            answer = _Answer.model_validate_json(payload)
        except ValidationError:
            return
        if (awaited := self._awaited.get(answer.order)) is not None:
            awaited.take(OrderAnswer(answer.name, answer.before, answer.after, answer.problem))

    def joined(self) -> None:
        """The link is up."""
        self._joined.set()

    async def run(self) -> None:
        """Take over what is kept, each time the link comes up."""
        while True:
            await self._joined.wait()
            self._joined = trio.Event()
            if self.operator is not None:
                await self._take_over(self.operator)

    async def _take_over(self, operator: Operator) -> None:
        ours = operator.modes()
        words = [word for mode in ours.items() for word in mode]
        try:
            reply = await self._link.run_script(MODES, (f"{PREFIX}m",), *words)
        except (Unavailable, Rejected):
            return
        kept = _modes(reply)
        for subject in (*sorted(ours.keys() - kept.keys()), *sorted(kept)):  # EVERY comes first
            action: Action = kept.get(subject, "reset")
            if ours.get(subject) != action:
                self._try(operator, action, subject)

    def _order(self, action: Action, subject: str | None) -> _Order:
        return _Order(id=secrets.token_hex(8), by=self._me, action=action, subject=subject)

    def _carried_out(self, order: _Order) -> _Answer:
        assert self.operator is not None
        name = self.name()
        try:
            before, after = self.operator.carry_out(order.action, order.subject)
        except ServiceError as error:
            return _Answer(order=order.id, name=name, problem=str(error)[:300])
        return _Answer(order=order.id, name=name, before=before, after=after)

    def _try(self, operator: Operator, action: Action, subject: str) -> None:
        try:
            operator.carry_out(action, None if subject == EVERY else subject)
        except ServiceError as error:
            log.info("order_not_carried_out", action=action, reason=str(error))


def _modes(reply: Any) -> dict[str, Action]:
    """What the engine keeps, as far as it is as it should be."""
    if not isinstance(reply, list):
        return {}
    found: dict[str, Action] = {}
    for subject, action in zip(reply[::2], reply[1::2], strict=False):
        if isinstance(subject, bytes) and isinstance(action, bytes) and len(subject) <= 300:
            for known in LASTING:
                if action == known.encode():
                    found[subject.decode("utf-8", "replace")] = known
    return found
