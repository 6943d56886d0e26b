"""Pure: how many workers one client or site may hold while others wait, and who is stopped for whom."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from service.pool.admission import PATIENCE, STUCK, AdmissionQueue, Ticket
from service.pool.shares import BOUND, Shares

from ...support.admission_queue import admission_queue

WORKERS = 10
CLIENTS = st.sampled_from("abcde")
SITES = st.sampled_from(["x.test", "y.test", "z.test"])


def shares(*held: Ticket, workers: int = WORKERS) -> Shares:
    found = Shares()
    found.workers = workers
    for ticket in held:
        found.arrive(ticket)
        found.take(ticket, 0.0)
    return found


def run(queue: AdmissionQueue, *tickets: Ticket, now: float = 0.0, workers: int = WORKERS) -> list[Ticket]:
    """Let `tickets` enter, and call as many as there are workers; returns who runs."""
    running: list[Ticket] = []
    for ticket in tickets:
        queue.enter(ticket, now, workers=workers, busy=len(running))
        if len(running) < workers and (called := queue.call(now)):
            running.append(called)
    return running


def of(client: str, number: int, *, site: str | None = None, tier: int = 0) -> list[Ticket]:
    return [Ticket(client, tier, site=site) for _ in range(number)]


# Who gives way


def test_whoever_is_alone_may_hold_all_workers() -> None:
    queue, mine = admission_queue(), of("a", WORKERS, site="a.test")
    assert run(queue, *mine) == mine


def test_a_client_with_its_share_gives_way_to_another() -> None:
    queue = admission_queue()
    running = run(queue, *of("greedy", 14))
    other = Ticket("modest")
    queue.enter(other, 0.0, workers=WORKERS, busy=WORKERS)
    assert queue.position(other) == 0
    queue.done(running.pop())
    assert queue.call(0.0) is other


def test_a_site_with_its_share_gives_way_to_another_of_the_same_client() -> None:
    queue = admission_queue()
    running = run(queue, *of("a", 14, site="hangs.test"))
    other = Ticket("a", site="fine.test")
    queue.enter(other, 0.0, workers=WORKERS, busy=WORKERS)
    assert queue.position(other) == 0
    queue.done(running.pop())
    assert queue.call(0.0) is other


def test_those_that_give_way_take_no_place_from_the_others() -> None:
    queue = admission_queue(4)
    run(queue, *of("a", WORKERS + 4, site="hangs.test"))
    other = Ticket("a", site="fine.test")
    queue.enter(other, 0.0, workers=WORKERS, busy=WORKERS)
    [(gone, _)] = queue.shed(0.0)
    assert gone.site == "hangs.test"


def test_shares_go_by_weight() -> None:
    heavy, light = Ticket("heavy", share=3.0), Ticket("light")
    found = shares(*(Ticket("heavy", share=3.0) for _ in range(6)), light, Ticket("light"))
    found.arrive(heavy)
    found.arrive(light)
    assert not found.full(heavy)  # 6 of 7
    assert found.full(light)  # 2 of 2


@given(
    held=st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from(["x.test", "y.test", None])), max_size=12
    ),
    waiting=st.lists(
        st.tuples(st.sampled_from("abcde"), st.sampled_from(["x.test", "y.test", "z.test"])), max_size=12
    ),
    workers=st.integers(1, 12),
)
def test_nobody_gets_more_than_a_share_while_another_waits_and_no_worker_idles(
    held: list[tuple[str, str]], waiting: list[tuple[str, str]], workers: int
) -> None:
    queue = AdmissionQueue(100, spread=lambda: 0.0)
    running = run(queue, *(Ticket(client, site=site) for client, site in held[:workers]), workers=workers)
    left = [Ticket(client, site=site) for client, site in waiting]
    for ticket in left:
        queue.enter(ticket, 0.0, workers=workers, busy=len(running))
    for free in range(workers):
        if free < len(running):
            queue.done(running.pop(0))
        present = {ticket.client for ticket in (*running, *left)}
        may = {
            ticket
            for ticket in left
            if (
                len(present) == 1
                or sum(other.client == ticket.client for other in running) < max(1, workers // len(present))
            )
            and sum(other.site == ticket.site for other in running) < max(1, (workers + 1) // 2)
        }
        called = queue.call(0.0)
        assert (called is not None) == bool(left)  # work-conserving
        if called is None:
            break
        assert called in may or not may
        left.remove(called)
        running.append(called)


@given(st.integers(1, 64), st.integers(1, 64))
def test_a_share_is_at_least_one_worker(workers: int, clients: int) -> None:
    found = shares(workers=workers)
    tickets = [Ticket(f"client {number}", site="a.test") for number in range(clients)]
    for ticket in tickets:
        found.arrive(ticket)
    assert not any(map(found.full, tickets))


# Who is stopped


def stuck(*tickets: Ticket) -> tuple[AdmissionQueue, list[Ticket]]:
    """A queue whose workers have all run for long."""
    queue = admission_queue()
    running = run(queue, *tickets)
    assert len(running) == WORKERS
    return queue, running


def test_the_longest_running_job_beyond_a_share_is_stopped_for_one_that_waits() -> None:
    queue, running = stuck(*of("greedy", WORKERS))
    queue.enter(Ticket("modest"), STUCK, workers=WORKERS, busy=WORKERS)
    assert queue.excess(STUCK) is None  # it has only come
    assert queue.excess(STUCK + PATIENCE) is running[0]
    assert queue.excess(STUCK + PATIENCE) is None  # one at a time
    queue.done(running[0])
    assert queue.call(STUCK + PATIENCE).client == "modest"  # type: ignore[union-attr]


def test_ten_dripping_pages_of_three_clients_make_room_for_a_fourth() -> None:
    queue, running = stuck(*(Ticket(f"drips {n % 3}", site=f"drip{n}.test") for n in range(WORKERS)))
    queue.enter(Ticket("modest"), STUCK, workers=WORKERS, busy=WORKERS)
    assert queue.excess(STUCK + PATIENCE) is running[0]


def test_a_hanging_site_makes_room_for_another_of_the_same_client() -> None:
    queue, running = stuck(*of("a", WORKERS, site="hangs.test"))
    queue.enter(Ticket("a", site="fine.test"), STUCK, workers=WORKERS, busy=WORKERS)
    assert queue.excess(STUCK + PATIENCE) is running[0]


def test_nobody_is_stopped_for_one_of_the_same_client_and_site() -> None:
    queue, _ = stuck(*of("a", WORKERS, site="a.test"))
    queue.enter(Ticket("a", site="a.test"), STUCK, workers=WORKERS, busy=WORKERS)
    assert queue.excess(60.0) is None


def test_young_jobs_and_better_tiers_are_not_stopped() -> None:
    queue, _ = stuck(*of("greedy", WORKERS))
    queue.enter(Ticket("modest", tier=1), 0.0, workers=WORKERS, busy=WORKERS)
    assert queue.excess(60.0) is None
    queue.enter(Ticket("equal"), 0.0, workers=WORKERS, busy=WORKERS)
    assert queue.excess(PATIENCE) is None
    assert queue.excess(60.0) is not None


def test_the_second_is_stopped_at_once() -> None:
    queue, running = stuck(*of("greedy", WORKERS))
    for client in "ab":
        queue.enter(Ticket(client), STUCK, workers=WORKERS, busy=WORKERS)
    now = STUCK + PATIENCE
    for stopped in running[:2]:
        assert queue.excess(now) is stopped
        queue.done(stopped)
        assert queue.call(now) is not None
    queue.enter(Ticket("c"), now, workers=WORKERS, busy=WORKERS)
    assert queue.excess(now) is running[2]


def test_who_was_stopped_keeps_to_its_share_for_a_while_and_leaves_room() -> None:
    queue, running = stuck(*of("greedy", WORKERS))
    modest = Ticket("modest")
    queue.enter(modest, STUCK, workers=WORKERS, busy=WORKERS)
    now = STUCK + PATIENCE
    assert queue.excess(now) is running[0]
    queue.done(running.pop(0))
    assert queue.call(now) is modest
    queue.done(modest)
    queue.enter(Ticket("greedy"), now, workers=WORKERS, busy=len(running))
    assert queue.call(now) is None  # a worker stays free for the next
    for _ in range(5):
        queue.done(running.pop())
    assert queue.call(now) is not None
    queue.enter(Ticket("greedy"), now, workers=WORKERS, busy=5)
    assert queue.call(now) is None
    assert queue.call(now + BOUND) is not None


def test_the_books_are_empty_once_all_are_gone() -> None:
    found, numbers = shares(), count()
    tickets = [Ticket(f"client {next(numbers) % 3}", site="a.test") for _ in range(9)]
    for ticket in tickets:
        found.arrive(ticket)
        found.take(ticket, 0.0)
    for ticket in tickets:
        found.depart(ticket)
    assert vars(found) == vars(shares())
