"""Orders of operators: given to one instance, carried out by all, each of which answers.

Modes that last (open, disable) are also kept by the engine, for instances that are away or start later. One
that joins tells what was ordered while it was cut off, and takes over what is kept. An engine that has
forgotten everything is told again by those who join it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

import structlog
import trio

from ..breaker.settings import EVERY_SITE
from ..errors import ServiceError
from .connection import Rejected, Unavailable
from .keys import ANSWERS, MODES, ORDERS
from .link import Link
from .messages import Action, Answer, Order, modes
from .port import Operator, OrderAnswer
from .scripts import KNOWN_MODES, ORDER

PATIENCE = 1.0  # seconds for the answers of the others
MOST = 1000  # sites whose mode is kept

log = structlog.get_logger(__name__)


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
    """Gives and takes orders."""

    def __init__(self, link: Link, me: str) -> None:
        self.operator: Operator | None = None
        self.name: Callable[[], str] = lambda: me
        self._link = link
        self._me = me
        self._awaited: dict[str, _Awaited] = {}
        self._untold: dict[str, Order] = {}  # by subject, while the link is down
        self._joined = trio.Event()

    async def give(self, action: Action, subject: str | None, others: int) -> tuple[OrderAnswer, ...]:
        """The answers of the other instances, of which there are so many; those that come in time."""
        order = self._order(action, subject)
        awaited = self._awaited[order.id] = _Awaited(others)
        try:
            await self._tell(order)
            with trio.move_on_after(PATIENCE if others else 0):
                await awaited.complete.wait()
        except (Unavailable, Rejected) as error:
            log.warning("order_not_passed_on", action=action, reason=str(error))
            self._keep(order)
        finally:
            del self._awaited[order.id]
        return tuple(sorted(awaited.answers, key=lambda answer: answer.name))

    def hear_order(self, payload: bytes) -> None:
        """Another instance's operator, or our own, wants something."""
        order = Order.read(payload)
        if order is None or order.by == self._me:
            return
        if self.operator is not None:
            answer = self._carried_out(order)
            self._link.post("PUBLISH", ANSWERS, answer.text)

    def hear_answer(self, payload: bytes) -> None:
        """What another instance says to an order; only those to ours matter."""
        answer = Answer.read(payload)
        if answer is not None and (awaited := self._awaited.get(answer.order)) is not None:
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

    async def _tell(self, order: Order) -> None:
        action = "" if order.action == "release" else order.action
        subject = EVERY_SITE if order.subject is None else order.subject
        await self._link.run_script(ORDER, (MODES,), action, subject, ORDERS, order.text, EVERY_SITE, MOST)

    def _keep(self, order: Order) -> None:
        """Tell it later, where it sets a mode: those that are away are to take it over."""
        if order.action == "release":  # a journal has it
            return
        if order.subject is None:
            self._untold.clear()
        subject = EVERY_SITE if order.subject is None else order.subject
        if len(self._untold) < MOST:
            self._untold[subject] = order

    async def _take_over(self, operator: Operator) -> None:
        ours = operator.modes()
        words = [word for mode in [*ours.items()][:MOST] for word in mode]
        try:
            while self._untold:
                subject = next(iter(self._untold))
                await self._tell(self._untold[subject])
                self._untold.pop(subject, None)
            reply = await self._link.run_script(KNOWN_MODES, (MODES,), MOST, *words)
        except (Unavailable, Rejected):
            return
        kept = modes(reply)
        for subject in (*sorted(ours.keys() - kept.keys()), *sorted(kept)):  # EVERY_SITE comes first
            action: Action = kept.get(subject, "reset")
            if ours.get(subject) != action:
                self._try(operator, action, subject)

    def _order(self, action: Action, subject: str | None) -> Order:
        return Order(id=secrets.token_hex(8), by=self._me, action=action, subject=subject)

    def _carried_out(self, order: Order) -> Answer:
        assert self.operator is not None
        name = self.name()
        try:
            before, after = self.operator.carry_out(order.action, order.subject)
        except ServiceError as error:
            return Answer(order=order.id, name=name, problem=str(error)[:300])
        return Answer(order=order.id, name=name, before=before, after=after)

    def _try(self, operator: Operator, action: Action, subject: str) -> None:
        try:
            operator.carry_out(action, None if subject == EVERY_SITE else subject)
        except ServiceError as error:
            log.info("order_not_carried_out", action=action, reason=str(error))
