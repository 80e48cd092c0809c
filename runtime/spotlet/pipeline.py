"""Processes several frames at once on several cores, with the results in frame order.

Each thread takes a frame through decoding, letterbox, network on one core, and postprocessing;
there are as many threads as cores. So no core idles while another decodes, and nothing is wasted
on splitting the operators of a small network.
"""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from spotlet.cores import usable_cores
from spotlet.lifetime import WAKE_SECONDS

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_WORKERS = 8
"""Each holds two frames and the network's activations, and one decoder cannot feed more. With more
cores, each inference gets several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """How cores are shared.

    Attributes:
        count: frames, or batches of frames, worked on at once, from 1.
        threads: of each inference; 0 is one for each core.
        ahead: the most results unfinished or not yet fetched at any time, from 1.
    """

    count: int = 1
    threads: int = 0
    ahead: int = 1


def plan_workers(threads: int, *, sources: int, live: bool) -> Workers:
    """Returns how to share the cores among the sources.

    Every frame of a file is wanted, so each core works on its own frames. Only the newest frame of
    a live source is wanted, and soon, so one inference gets all cores. Several live sources have
    at most one frame each in progress.

    Args:
        threads: how many cores may be used; 0 for all that this process may use.
        sources: how many there are, from 1.
        live: whether all deliver only their newest frame.

    Example:
        >>> plan_workers(4, sources=1, live=False)
        Workers(count=4, threads=1, ahead=8)
        >>> plan_workers(4, sources=2, live=True)
        Workers(count=2, threads=2, ahead=2)
    """
    cores = threads or usable_cores()
    count = min(cores, MOST_WORKERS, sources if live else cores)
    if count == 1:
        return Workers(threads=threads)
    return Workers(count=count, threads=cores // count, ahead=count if live else 2 * count)


def map_in_order(
    items: Iterable[Item],
    work: Callable[[Item], Result],
    workers: Workers,
    stop: Callable[[], None] = lambda: None,
    idle: Callable[[], None] = lambda: None,
) -> Generator[tuple[Item, Result], None, None]:
    """Yields each item with the result of `work`, in the order of the items.

    Exhaust or close it to end the threads. One worker needs no thread.

    Args:
        items: taken one at a time, each by the thread that then works on it, so slow items, such
            as decoded frames, overlap with the work on earlier ones.
        work: called by several threads at once.
        workers: how many threads; no more than `ahead` items are held at any time.
        stop: called at the end, to end a wait for the next item; not with one worker, which then
            does not wait.
        idle: called now and then in the caller's thread while it waits; not with one worker.

    Raises:
        Exception: what `items` or `work` raised, after the results of earlier items.

    Example:
        >>> [pair for pair in map_in_order([1, 2, 3], lambda n: n * n, Workers(count=2, ahead=4))]
        [(1, 1), (2, 4), (3, 9)]
    """
    if workers.count == 1:
        for item in items:
            yield item, work(item)
        return
    threads = _Threads(items, work, workers)
    try:
        threads.start()
        yield from threads.results(idle)
    finally:
        threads.end(stop)


class _Threads(Generic[Item, Result]):
    """Threads that take items in turn and hand back numbered outcomes.

    Ctrl-C may interrupt the fetching thread anywhere: it shares only a flag and `SimpleQueue`s
    with the others, which hold no lock then.
    """

    def __init__(
        self, items: Iterable[Item], work: Callable[[Item], Result], workers: Workers
    ) -> None:
        self._items = iter(items)
        self._work = work
        self._turn = threading.Lock()
        self._taken = 0
        self._over = False
        self._permits: SimpleQueue[None] = SimpleQueue()
        self._finished: SimpleQueue[tuple[int, tuple[Item, Result] | BaseException | None]] = (
            SimpleQueue()
        )
        for _ in range(workers.ahead):
            self._permits.put(None)
        self._threads = [
            threading.Thread(target=self._run, name="spotlet-worker", daemon=True)
            for _ in range(workers.count)
        ]

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def results(self, idle: Callable[[], None]) -> Iterator[tuple[Item, Result]]:
        """Yields the results in order; raises the first error."""
        early: dict[int, tuple[Item, Result] | BaseException | None] = {}
        for number in count():
            while number not in early:
                try:
                    found, outcome = self._finished.get(timeout=WAKE_SECONDS)
                except Empty:
                    idle()
                    continue
                early[found] = outcome
                del outcome
            match early.pop(number):
                case None:
                    return
                case BaseException() as error:
                    raise error
                case pair:
                    yield pair
                    del pair  # not held while waiting for the next
            self._permits.put(None)

    def end(self, stop: Callable[[], None]) -> None:
        """Ends the threads, and waits until each has finished its current item."""
        self._over = True
        stop()
        for _ in self._threads:
            self._permits.put(None)
        for thread in self._threads:
            if thread.is_alive():  # else an interrupt arrived before it was started
                thread.join()

    def _run(self) -> None:
        while True:
            self._permits.get()
            with self._turn:
                if self._over:
                    return
                number = self._taken
                try:
                    item = next(self._items)
                except BaseException as error:
                    self._over = True
                    outcome = None if isinstance(error, StopIteration) else error
                    self._finished.put((number, outcome))
                    return
                self._taken += 1
            try:
                self._finished.put((number, (item, self._work(item))))
            except BaseException as error:
                self._over = True
                self._finished.put((number, error))
                return
            del item
