"""Orders of operators: given to one instance, carried out by all, each of which answers."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable

import structlog
import trio

from ..errors import ServiceError
from ..releases.store import StoreError
from .connection import Rejected, Unavailable
from .keys import ANSWERS
from .link import Link
from .messages import Action, Answer, Order
from .port import Operator, OrderAnswer
from .standing import Standing

PATIENCE = 1.0  # seconds for the answers of the others
WAITING = 100  # orders that wait to be carried out; further ones are dropped

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
        self._standing = Standing(link)
        self._awaited: dict[str, _Awaited] = {}
        self._received: deque[Order] = deque()
        self._has_joined = False
        self._woken = trio.Event()

    async def give(
        self, action: Action, subject: str | None, reason: str, others: int
    ) -> tuple[OrderAnswer, ...]:
        """The answers of the other instances, of which there are so many; those that come in time."""
        order = self._order(action, subject, reason)
        awaited = self._awaited[order.id] = _Awaited(others)
        try:
            await self._standing.tell(order)
            with trio.move_on_after(PATIENCE if others else 0):
                await awaited.complete.wait()
        except (Unavailable, Rejected) as error:
            log.warning("order_not_passed_on", action=action, reason=str(error))
        finally:
            del self._awaited[order.id]
        return tuple(sorted(awaited.answers, key=lambda answer: answer.name))

    def tell(self, action: Action, subject: str, reason: str) -> None:
        """Give an order without waiting for answers."""
        self._standing.post(self._order(action, subject, reason))

    def hear_order(self, payload: bytes) -> None:
        """Another instance's operator, or our own, wants something."""
        order = Order.read(payload)
        if order is not None and order.by != self._me and self.operator is not None:
            if len(self._received) < WAITING:
                self._received.append(order)
            self._woken.set()

    def hear_answer(self, payload: bytes) -> None:
        """What another instance says to an order; only those to ours matter."""
        answer = Answer.read(payload)
        if answer is not None and (awaited := self._awaited.get(answer.order)) is not None:
            awaited.take(OrderAnswer(answer.name, answer.before, answer.after, answer.problem))

    def joined(self) -> None:
        """The link is up."""
        self._has_joined = True
        self._woken.set()

    async def run(self) -> None:
        """Carry out what is ordered, and take over what stands each time the link comes up."""
        while True:
            await self._woken.wait()
            self._woken = trio.Event()
            if self.operator is None:
                continue
            if self._has_joined:
                self._has_joined = False
                await self._standing.catch_up(self.operator)
            while self._received:
                order = self._received.popleft()
                self._standing.note(order)
                self._link.post("PUBLISH", ANSWERS, (await self._carried_out(self.operator, order)).text)

    def _order(self, action: Action, subject: str | None, reason: str) -> Order:
        id = secrets.token_hex(8)
        return Order(id=id, by=self._me, action=action, subject=subject, reason=reason)

    async def _carried_out(self, operator: Operator, order: Order) -> Answer:
        name = self.name()
        try:
            before, after = await operator.carry_out(order.action, order.subject, order.reason)
        except (ServiceError, StoreError) as error:
            return Answer(order=order.id, name=name, problem=str(error)[:300])
        return Answer(order=order.id, name=name, before=before, after=after)
