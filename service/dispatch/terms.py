"""The terms of an execution: until when it runs and whose place it has in the queue.

Equal jobs share an execution, so it has the latest deadline and the best place of those who wait for it. It
keeps the place of one who leaves.
"""

from __future__ import annotations

import trio

from .request import Caller


class Terms:
    """The terms of an execution, which those who join it may improve.

    Attributes:
        caller: the one whose place it has.
        deadline: on Trio's clock; `timeout` is the same in seconds from the submission.
        hurried: no caller gives it as much time as the service does.
        scope: what it runs in; cancelled at the deadline.
        running: it has reached a worker.
    """

    def __init__(self, caller: Caller, deadline: float, timeout: float, *, hurried: bool = False) -> None:
        self.caller = caller
        self.deadline = deadline
        self.timeout = timeout
        self.hurried = hurried
        self.running = False
        self.scope = trio.CancelScope(deadline=deadline)

    def join(self, other: Terms) -> None:
        """Improve them by those of another caller."""
        if other.deadline > self.deadline:
            self.deadline = self.scope.deadline = other.deadline
            self.timeout = other.timeout
            self.hurried = other.hurried
        if other.caller.tier < self.caller.tier:
            self.caller = other.caller
