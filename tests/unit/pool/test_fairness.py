"""Pure: the order of turns among the clients of one tier, their costs, and which ticket is shed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.pool.fairness import FairQueue, Ticket

_numbers = count()


def pushed(queue: FairQueue, *clients: str, share: float = 1.0) -> list[Ticket]:
    """A ticket in `queue` for each of `clients`, numbered in this order."""
    tickets = [Ticket(client, share=share) for client in clients]
    for ticket in tickets:
        ticket.number = next(_numbers)
        queue.push(ticket)
    return tickets


def pop(queue: FairQueue) -> Ticket:
    ticket = queue.peek()
    assert ticket is not None
    queue.take(ticket)
    return ticket


def turns(queue: FairQueue) -> Iterator[Ticket]:
    while len(queue):
        yield pop(queue)


def order(queue: FairQueue) -> str:
    """The clients in the order of their turns; each is named by a letter."""
    return "".join(ticket.client for ticket in turns(queue))


def cost_of(queue: FairQueue, client: str) -> float:
    """The cost charged to `client`, which has no other ticket, for a turn."""
    (ticket,) = pushed(queue, client)
    assert pop(queue) is ticket
    return ticket.charge


# Turns


def test_equal_clients_take_turns_in_the_order_of_their_arrival() -> None:
    queue = FairQueue()
    pushed(queue, *"aaabbc")
    assert order(queue) == "abcaba"


def test_one_clients_tickets_go_in_the_order_of_their_arrival() -> None:
    queue = FairQueue()
    mine = pushed(queue, *"aaa")
    assert [*turns(queue)] == mine


def test_a_client_with_twice_the_share_gets_two_turns_for_one() -> None:
    queue = FairQueue()
    pushed(queue, *"aaa")
    pushed(queue, *"bbbbbb", share=2.0)
    assert order(queue) == "abbabbabb"


def test_the_share_of_the_latest_ticket_counts() -> None:
    queue = FairQueue()
    pushed(queue, *"aaa")
    pushed(queue, "b", share=0.25)
    pushed(queue, *"bbbbb", share=2.0)
    assert order(queue) == "abbabbabb"


def test_the_next_one_is_seen_without_a_turn() -> None:
    queue = FairQueue()
    first, second = pushed(queue, *"ab")
    assert queue.peek() is queue.peek() is first
    assert pop(queue) is first
    assert queue.peek() is second


@pytest.mark.parametrize("ask", [FairQueue.oldest, FairQueue.newest])
def test_an_empty_queue_has_no_next_ticket(ask: Callable[[FairQueue], Ticket]) -> None:
    queue = FairQueue()
    pushed(queue, "a")
    pop(queue)
    assert queue.peek() is None
    with pytest.raises(ValueError, match="empty"):
        ask(queue)


def test_a_removed_ticket_counts_as_no_turn() -> None:
    queue = FairQueue()
    first, *_ = pushed(queue, *"aabb")
    queue.remove(first)
    assert len(queue) == 3
    assert first.charge == 0.0
    assert order(queue) == "abb"
    assert len(queue) == 0
    with pytest.raises(ValueError, match="deque"):
        queue.remove(first)


def test_a_client_that_returns_at_once_waits_for_those_without_a_turn() -> None:
    queue = FairQueue()
    pushed(queue, "a")
    pop(queue)
    pushed(queue, *"ab")
    assert order(queue) == "ba"


def test_idling_earns_no_credit() -> None:
    queue = FairQueue()
    pushed(queue, *"aaaaaaa")
    for _ in range(4):
        pop(queue)  # the clock stands at 3, a's next turn at 4
    pushed(queue, *"bbb")
    assert order(queue) == "bababa"


def test_the_clock_does_not_go_back_when_a_turn_was_cheaper_than_thought() -> None:
    queue = FairQueue()
    pushed(queue, *"aaaaa")
    done = [pop(queue) for _ in range(3)]  # the clock stands at 2
    for ticket in done:
        queue.learn(ticket, 0.0)  # so a's next turn is at 0
    pop(queue)
    pushed(queue, "b")
    assert order(queue) == "ab"


# Costs


def test_a_turn_is_charged_with_the_expected_cost_and_settled_with_the_real_one() -> None:
    queue = FairQueue()
    first, *_ = pushed(queue, *"aaabbbbb")
    assert pop(queue) is first
    assert first.charge == 1.0
    queue.learn(first, 3.0)
    assert first.charge == 3.0
    # a's next turns are at 3 and, as its jobs are now expected to cost 1.5, at 4.5.
    assert order(queue) == "bbbabba"


def test_a_cost_is_divided_by_the_share() -> None:
    queue = FairQueue()
    first, *_ = pushed(queue, *"aa", share=2.0)
    pushed(queue, *"bbbb")
    assert pop(queue) is first
    queue.learn(first, 5.0)  # a's next turn is at 5 / 2
    assert order(queue) == "bbbab"


def test_the_newest_job_is_a_quarter_of_what_is_expected() -> None:
    queue = FairQueue()
    pushed(queue, "a")
    queue.learn(pop(queue), 5.0)
    assert cost_of(queue, "a") == 2.0
    assert cost_of(queue, "a") == 2.0, "an expectation is no experience"
    pushed(queue, "a")
    queue.learn(pop(queue), 0.0)
    assert cost_of(queue, "a") == 1.5


def test_of_a_new_client_the_like_of_all_others_is_expected() -> None:
    queue = FairQueue()
    pushed(queue, "a")
    queue.learn(pop(queue), 5.0)
    assert cost_of(queue, "b") == 2.0
    pushed(queue, "a")
    queue.learn(pop(queue), 0.0)
    assert cost_of(queue, "c") == 1.5
    assert cost_of(queue, "b") == 2.0, "it is known already"


# Absent clients


def charged(queue: FairQueue, client: str, cost: float) -> None:
    """Let `client` have a turn that costs so much."""
    pushed(queue, client)
    queue.learn(pop(queue), cost)


def passing(queue: FairQueue, clients: int) -> None:
    """So many new clients come, and leave without a turn."""
    for number in range(clients):
        (ticket,) = pushed(queue, f"passing {number}")
        queue.remove(ticket)


def test_the_costs_of_1024_clients_are_remembered() -> None:
    queue = FairQueue()
    charged(queue, "a", 9.0)
    charged(queue, "b", 5.0)
    known = {"a": 3.0, "b": 3.0 + 0.25 * (5.0 - 3.0)}
    charged(queue, "new", 100.0)  # what is expected of a new one is something else
    passing(queue, 1021)
    assert {client: cost_of(queue, client) for client in known} == known


def test_the_client_that_came_last_longest_ago_is_forgotten_first() -> None:
    queue = FairQueue()
    charged(queue, "a", 9.0)
    charged(queue, "b", 9.0)
    charged(queue, "new", 100.0)
    of_a_new_one = cost_of(queue, "another")
    known = cost_of(queue, "a")
    passing(queue, 1021)  # with the four above one too many, and b came before a
    assert cost_of(queue, "a") == known
    assert cost_of(queue, "b") == of_a_new_one != known


def test_a_waiting_client_is_not_forgotten() -> None:
    queue = FairQueue()
    charged(queue, "a", 9.0)
    (waiting,) = pushed(queue, "a")
    passing(queue, 1024)
    assert [*turns(queue)] == [waiting]
    assert waiting.charge == 3.0
    many = [f"waiting {number}" for number in range(1030)]
    pushed(queue, *many)
    assert [ticket.client for ticket in turns(queue)] == many


def test_the_job_of_a_forgotten_client_still_tells_what_to_expect_of_a_new_one() -> None:
    queue = FairQueue()
    pushed(queue, "a")
    running = pop(queue)
    passing(queue, 1024)
    queue.learn(running, 5.0)
    assert running.charge == 5.0
    assert cost_of(queue, "new") == 2.0


# Positions


def test_the_oldest_and_the_newest_by_their_numbers() -> None:
    queue = FairQueue()
    tickets = pushed(queue, *"abacbb")
    assert (queue.oldest(), queue.newest()) == (tickets[0], tickets[5])
    queue.remove(tickets[0])
    queue.remove(tickets[5])
    assert (queue.oldest(), queue.newest()) == (tickets[1], tickets[4])


def test_a_ticket_that_does_not_wait_has_no_rank() -> None:
    queue = FairQueue()
    pushed(queue, *"aa")
    first = pop(queue)
    with pytest.raises(ValueError, match="not in list"):
        queue.rank(first)


CLIENTS = st.sampled_from("abc")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), CLIENTS, st.sampled_from([0.5, 1.0, 2.0, 4.0])),
        st.tuples(st.just("pop"), st.none(), st.none()),
        st.tuples(st.just("learn"), st.none(), st.sampled_from([0.0, 0.5, 3.0])),
        st.tuples(st.just("remove"), CLIENTS, st.none()),
    ),
    max_size=30,
)


@given(STEPS)
def test_the_ranks_of_those_who_wait_are_the_order_of_their_turns(
    steps: list[tuple[str, str | None, float | None]],
) -> None:
    queue, running, waiting = FairQueue(), list[Ticket](), list[Ticket]()
    for what, client, value in steps:
        if what == "push" and client and value:
            waiting += pushed(queue, client, share=value)
        elif what == "pop" and waiting:
            running.append(pop(queue))
            waiting.remove(running[-1])
        elif what == "learn" and running and value is not None:
            queue.learn(running.pop(0), value)
        elif what == "remove" and (mine := [ticket for ticket in waiting if ticket.client == client]):
            queue.remove(mine[-1])
            waiting.remove(mine[-1])
    assert len(queue) == len(waiting)
    ranked = sorted(waiting, key=queue.rank)
    assert [queue.rank(ticket) for ticket in ranked] == [*range(len(waiting))]
    assert [*turns(queue)] == ranked


# Shedding


def test_the_newest_of_the_client_with_most_places_gives_way() -> None:
    queue = FairQueue()
    tickets = pushed(queue, *"abbabbc")
    assert queue.victim_for(tickets[-1]) is tickets[-2]


def test_places_count_by_the_share() -> None:
    queue = FairQueue()
    pushed(queue, *"aaaa", share=4.0)
    many = pushed(queue, *"bb", share=0.5)
    pushed(queue, *"ccc")
    (newcomer,) = pushed(queue, "a", share=4.0)
    assert queue.victim_for(newcomer) is many[-1]


def test_a_client_with_an_equal_share_displaces_no_ticket() -> None:
    queue = FairQueue()
    pushed(queue, *"aabb")
    (newcomer,) = pushed(queue, "c")
    assert queue.victim_for(newcomer) is not None
    (newcomer,) = pushed(queue, "c")
    assert queue.victim_for(newcomer) is None, "each has two"
    (newcomer,) = pushed(queue, "c")
    assert queue.victim_for(newcomer) is None, "and now it has most itself"


def test_a_new_ticket() -> None:
    ticket = Ticket("a")
    assert (ticket.tier, ticket.deadline, ticket.share, ticket.site) == (0, float("inf"), 1.0, None)
    assert (ticket.entered, ticket.queued, ticket.number, ticket.charge) == (0.0, False, 0, 0.0)
