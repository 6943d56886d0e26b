"""A worker in the pool, and why it ends."""

from __future__ import annotations

from enum import StrEnum

import trio

from .admission import Ticket
from .process import Process
from .template import Template


class Reason(StrEnum):
    """Why a worker ends."""

    IDLE = "idle"  # it was not needed for a while
    SURPLUS = "surplus"  # beyond the knee
    RECYCLED = "recycled"  # it has run enough jobs
    RELEASE = "release"  # it makes room for a worker of another release
    COOKIES = "cookies"  # its job had cookies, or it makes room for a worker whose job will
    INTERRUPTED = "interrupted"  # its client disconnected, or the deadline passed
    PREEMPTED = "preempted"  # its client or site held more than its share while another waited
    CRASHED = "crashed"  # it died of a job, or broke the protocol
    OVERSIZED = "oversized"  # its result was over the bound
    SPENT = "spent"  # its job used up a budget
    DIED = "died"  # while it had no job
    SUSPECT = "suspect"  # it sent something, or closed its socket, while it had no job
    SHUTDOWN = "shutdown"


class Worker:
    """A worker in the pool, from its READY until it is reaped.

    Attributes:
        template: that it was forked from.
        due: tasks after which it is replaced.
        ready: when it said so, on Trio's clock.
        ticket: the ticket that it runs for and holds capacity for, until it is released or reaped; or None.
        site: the site of its latest job, and `began` when that did.
        reason: why it ends; None while it is in service.
        status: its exit status; None where it is unknown, as when the template died with it.
        watch: the scope in which its slot waits for its end or its idle time.
        gone: set when it is reaped.
    """

    def __init__(self, process: Process, template: Template, due: float, now: float) -> None:
        self.process = process
        self.template = template
        self.due = due
        self.ready = now
        self.tasks = 0
        self.ticket: Ticket | None = None
        self.site: str | None = None
        self.began = now
        self.reason: Reason | None = None
        self.status: int | None = None
        self.watch = trio.CancelScope()
        self.gone = trio.Event()

    @property
    def fresh(self) -> bool:
        return self.tasks == 0
