"""Pure: in any sequence of steps, each ticket enters the admission queue once and leaves it once."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from service.errors import QueueFull, ServiceError
from service.pool.admission import AdmissionQueue, Ticket


class AdmissionQueueMachine(RuleBasedStateMachine):
    """Positions are a true order at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = AdmissionQueue(6, spread=lambda: 0.0)
        self.now = 0.0
        self.inside: set[Ticket] = set()
        self.running: list[Ticket] = []

    @rule(
        client=st.sampled_from("abc"),
        tier=st.integers(0, 2),
        patience=st.sampled_from([0.5, 10.0, 1000.0]),
        share=st.sampled_from([0.5, 1.0, 4.0]),
        site=st.sampled_from(["a.test", "b.test", None]),
    )
    def arrive(self, client: str, tier: int, patience: float, share: float, site: str | None) -> None:
        ticket = Ticket(client, tier, self.now + patience, share, site)
        try:
            self.queue.enter(ticket, self.now, workers=3, busy=len(self.running))
        except QueueFull:
            assert len(self.running) + len(self.inside) >= 3  # never while a worker is free
        else:
            self.inside.add(ticket)
        self.settle(self.queue.shed(self.now))

    @precondition(lambda self: len(self.running) < 3)
    @rule()
    def call(self) -> None:
        ticket = self.queue.call(self.now)
        self.settle(self.queue.shed(self.now))
        if ticket is not None:
            self.inside.remove(ticket)
            self.running.append(ticket)

    @precondition(lambda self: self.running)
    @rule(seconds=st.sampled_from([0.01, 1.0, 20.0]))
    def finish(self, seconds: float) -> None:
        ticket = self.running.pop()
        self.queue.finished(ticket, self.now, service_time=seconds, cost=seconds)
        self.queue.done(ticket)

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(sorted(self.inside, key=lambda ticket: ticket.number)))
        self.queue.leave(ticket)
        self.inside.remove(ticket)

    @rule(seconds=st.sampled_from([0.1, 3.0, 15.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    def settle(self, gone: list[tuple[Ticket, ServiceError]]) -> None:
        for ticket, _ in gone:
            self.inside.remove(ticket)  # raises if it is answered twice

    @invariant()
    def the_room_holds_whom_it_says(self) -> None:
        assert len(self.queue) == len(self.inside) <= 6 + 3
        assert all(ticket in self.queue for ticket in self.inside)
        assert sorted(map(self.queue.position, self.inside)) == list(range(len(self.inside)))


TestAdmissionQueue = AdmissionQueueMachine.TestCase
