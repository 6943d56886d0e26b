"""A worker in the pool, and why it ends."""

from __future__ import annotations

from enum import StrEnum

import trio

from .admission import Ticket
from .process import Process


class Reason(StrEnum):
    """Why a worker ends."""

    IDLE = "idle"  # nobody needed it for a while
    SURPLUS = "surplus"  # more workers would only slow each other down
    RECYCLED = "recycled"  # it had done enough jobs
    COOKIES = "cookies"  # it has seen somebody's cookies, or has to make room for a worker that will
    INTERRUPTED = "interrupted"  # its client left, or the deadline passed
    CRASHED = "crashed"  # it died of a job, or broke the protocol
    OVERSIZED = "oversized"  # its result was over the bound
    SPENT = "spent"  # its job used up a budget, and may have left it without memory for the next one
    DIED = "died"  # while it had no job
    SUSPECT = "suspect"  # it spoke, or closed its socket, while it had no job
    SHUTDOWN = "shutdown"


class Worker:
    """A worker in the pool, from its READY until it is reaped.

    Attributes:
        due: tasks after which it is replaced.
        ready: when it said so, on Trio's clock.
        ticket: on whose behalf it runs, and takes up capacity until it is given back or reaped; or None.
        site: which its latest job asks.
        reason: why it ends; None while it is in service.
        status: how it exited; None where nobody knows, as when the template died and took it along.
        watch: the slot's wait for its end, or for the end of its idle time.
        gone: set when it is reaped.
    """

    def __init__(self, process: Process, due: float, now: float) -> None:
        self.process = process
        self.due = due
        self.ready = now
        self.tasks = 0
        self.ticket: Ticket | None = None
        self.site: str | None = None
        self.reason: Reason | None = None
        self.status: int | None = None
        self.watch = trio.CancelScope()
        self.gone = trio.Event()

    @property
    def fresh(self) -> bool:
        return self.tasks == 0
