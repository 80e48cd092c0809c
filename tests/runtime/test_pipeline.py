import contextlib
import itertools
import threading
import time
import weakref
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest
from patience import PATIENCE_SECONDS, wait_until

from spotlet.cores import usable_cores
from spotlet.pipeline import MOST_WORKERS, Workers, map_in_order, plan_workers

SHARES = [
    Workers(),
    Workers(count=2, ahead=2),
    Workers(count=2, ahead=4),
    Workers(count=5, ahead=7),
]


def workers_left() -> int:
    return sum(thread.name == "spotlet-worker" for thread in threading.enumerate())


@pytest.mark.parametrize("workers", SHARES)
def test_results_come_in_the_order_of_the_items_however_long_each_takes(workers: Workers) -> None:
    pauses = np.random.default_rng(0).uniform(0, 0.004, 60)

    def work(number: int) -> int:
        time.sleep(pauses[number])
        return number * number

    pairs = list(map_in_order(range(60), work, workers))
    assert pairs == [(number, number * number) for number in range(60)]
    assert workers_left() == 0


@pytest.mark.parametrize("workers", SHARES)
def test_nothing_gives_nothing(workers: Workers) -> None:
    assert list(map_in_order([], str, workers)) == []
    assert workers_left() == 0


def test_workers_work_at_the_same_time() -> None:
    meeting = threading.Barrier(3)
    workers = Workers(count=3, ahead=3)
    assert len(list(map_in_order(range(6), lambda _: meeting.wait(PATIENCE_SECONDS), workers))) == 6


def test_an_item_is_fetched_while_others_are_worked_on() -> None:
    fetched = threading.Event()

    def items() -> Iterator[int]:
        yield 0
        fetched.set()
        yield 1

    workers = Workers(count=2, ahead=2)
    pairs = list(
        map_in_order(items(), lambda number: number or fetched.wait(PATIENCE_SECONDS), workers)
    )
    assert pairs == [(0, True), (1, 1)]


def test_one_item_is_fetched_at_a_time() -> None:
    fetching = threading.Lock()

    def items() -> Iterator[int]:
        for number in range(50):
            assert fetching.acquire(blocking=False)
            time.sleep(0.0005)
            fetching.release()
            yield number

    assert len(list(map_in_order(items(), str, Workers(count=4, ahead=8)))) == 50


@pytest.mark.parametrize("workers", SHARES)
def test_no_more_items_are_held_than_are_allowed(workers: Workers) -> None:
    done = most = 0

    def items() -> Iterator[int]:
        nonlocal most
        for number in range(40):
            most = max(most, number + 1 - done)
            yield number

    for number, _ in map_in_order(items(), str, workers):
        if number == 0:  # a slow consumer
            wait_until(lambda: most >= workers.ahead)
        done = number + 1
    # What the consumer has in its hands counts; it is let go when the next is asked for.
    assert most == workers.ahead


@pytest.mark.parametrize("workers", SHARES[1:])
def test_an_item_is_let_go_while_the_next_is_awaited(workers: Workers) -> None:
    class Picture:
        pass

    made: list[weakref.ref[Picture]] = []

    def picture() -> Picture:
        one = Picture()
        made.append(weakref.ref(one))
        return one

    def items() -> Iterator[Picture]:
        yield picture()
        wait_until(lambda: made[0]() is None)
        yield picture()

    for pair in map_in_order(items(), id, workers):
        del pair
    assert len(made) == 2


@pytest.mark.parametrize("workers", SHARES)
def test_an_error_of_the_work_comes_after_the_results_before_it(workers: Workers) -> None:
    def work(number: int) -> int:
        if number == 7:
            raise ValueError("seven")
        time.sleep(0.002)
        return number

    pairs = map_in_order(range(30), work, workers)
    assert [number for number, _ in islice(pairs, 7)] == list(range(7))
    with pytest.raises(ValueError, match="seven"):
        next(pairs)
    assert workers_left() == 0


@pytest.mark.parametrize("workers", SHARES)
def test_an_error_of_the_items_comes_after_the_results_before_it(workers: Workers) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise OSError("the disk is gone")

    pairs = map_in_order(items(), lambda _: time.sleep(0.002), workers)
    assert [number for number, _ in islice(pairs, 5)] == list(range(5))
    with pytest.raises(OSError, match="the disk is gone"):
        next(pairs)
    assert workers_left() == 0


@pytest.mark.parametrize("workers", SHARES)
def test_who_leaves_early_leaves_no_thread(workers: Workers) -> None:
    with contextlib.closing(map_in_order(itertools.count(), str, workers)) as pairs:
        for number, _ in pairs:
            if number == 3:
                break
    assert workers_left() == 0


def test_an_interrupt_ends_a_wait_for_an_item_that_never_comes() -> None:
    wanted, waits = threading.Event(), list[bool]()

    def items() -> Iterator[int]:
        yield 0
        waits.append(wanted.wait(PATIENCE_SECONDS))

    pairs = map_in_order(items(), str, Workers(count=2, ahead=2), wanted.set)
    assert next(pairs) == (0, "0")
    with pytest.raises(KeyboardInterrupt):
        pairs.throw(KeyboardInterrupt)
    assert waits in ([True], [])  # it was ended, or had not begun
    assert workers_left() == 0


def test_with_one_worker_all_is_done_by_who_asks() -> None:
    names = {name for _, name in map_in_order(range(3), lambda _: threading.get_ident(), Workers())}
    assert names == {threading.get_ident()}


@pytest.mark.parametrize(
    ("threads", "sources", "live", "expected"),
    [
        (1, 1, False, Workers(count=1, threads=1, ahead=1)),
        (2, 1, False, Workers(count=2, threads=1, ahead=4)),
        (2, 9, False, Workers(count=2, threads=1, ahead=4)),
        (2, 1, True, Workers(count=1, threads=2, ahead=1)),
        (2, 8, True, Workers(count=2, threads=1, ahead=2)),
        (6, 2, True, Workers(count=2, threads=3, ahead=2)),
        (40, 1, False, Workers(count=MOST_WORKERS, threads=5, ahead=2 * MOST_WORKERS)),
        (0, 1, True, Workers(count=1, threads=0, ahead=1)),
    ],
)
def test_cores_are_shared_out(threads: int, sources: int, live: bool, expected: Workers) -> None:
    assert plan_workers(threads, sources=sources, live=live) == expected


def test_without_a_number_all_cores_are_used() -> None:
    cores = usable_cores()
    workers = plan_workers(0, sources=1, live=False)
    assert workers.count == min(cores, MOST_WORKERS)
