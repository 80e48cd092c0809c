"""Several frames at once on several cores, their results in the order of the frames.

A frame goes through decoding, letterbox, network and postprocessing in one thread; as many
threads as there are cores do so side by side, each with an inference on one core. That leaves no
core idle while another decodes, and wastes nothing on splitting the operators of a small network.
"""

import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from spotlet.lifetime import WAKE_SECONDS

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_WORKERS = 8
"""Each holds two frames and the network's activations, and one decoder feeds no more of them.
Where there are more cores, each inference gets several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """How cores are shared out.

    Attributes:
        workers: frames, or batches of them, that are worked on at once.
        threads: of each one's inference; 0 leaves it to onnxruntime.
        ahead: results that may be unfinished or not yet fetched at any time.
    """

    workers: int = 1
    threads: int = 0
    ahead: int = 1


def plan_crew(threads: int, *, sources: int, live: bool) -> Crew:
    """Returns how the cores are shared out for these sources.

    Every frame of a file is wanted: all cores work on frames of their own. Of one live source
    only the newest is, and soon: one inference gets all cores. Of several live sources at most
    one frame each is worked on.

    Args:
        threads: how many cores may be used; 0 for all that this process may.
        sources: how many there are, from 1.
        live: whether all of them give their newest frame only.

    Example:
        >>> plan_crew(4, sources=1, live=False)
        Crew(workers=4, threads=1, ahead=8)
        >>> plan_crew(4, sources=2, live=True)
        Crew(workers=2, threads=2, ahead=2)
    """
    cores = threads or usable_cores()
    workers = min(cores, MOST_WORKERS, sources if live else cores)
    if workers == 1:
        return Crew(threads=threads)
    return Crew(workers=workers, threads=cores // workers, ahead=workers if live else 2 * workers)


def map_in_order(
    items: Iterable[Item],
    work: Callable[[Item], Result],
    crew: Crew,
    stop: Callable[[], None] = lambda: None,
    idle: Callable[[], None] = lambda: None,
) -> Generator[tuple[Item, Result], None, None]:
    """Gives each item with what `work` makes of it, in the order of the items.

    Close it, or use it up: then no thread is left. With one worker there is none at all.

    Args:
        items: taken one at a time, each by the thread that then works on it. So what takes time
            there, as decoding, goes on beside the work on earlier items.
        work: called by several threads at once.
        crew: how many; no more than `ahead` items are held at any time.
        stop: called when it is over, to end a wait for the next item; not with one worker, which
            then does not wait.
        idle: called now and then in the caller's thread while it waits; not with one worker.

    Raises:
        Exception: what `items` or `work` raised, after the results of the items before.

    Example:
        >>> [pair for pair in map_in_order([1, 2, 3], lambda n: n * n, Crew(workers=2, ahead=4))]
        [(1, 1), (2, 4), (3, 9)]
    """
    if crew.workers == 1:
        for item in items:
            yield item, work(item)
        return
    workers = _Workers(items, work, crew)
    try:
        workers.start()
        yield from workers.results(idle)
    finally:
        workers.end(stop)


class _Workers(Generic[Item, Result]):
    """Threads that take items in turn and hand back numbered outcomes.

    The thread that fetches may be interrupted anywhere, by Ctrl-C: it shares nothing with the
    others but `SimpleQueue`s, which hold no lock then, and a flag.
    """

    def __init__(self, items: Iterable[Item], work: Callable[[Item], Result], crew: Crew) -> None:
        self._items = iter(items)
        self._work = work
        self._turn = threading.Lock()
        self._taken = 0
        self._over = False
        self._permits: SimpleQueue[None] = SimpleQueue()
        self._finished: SimpleQueue[tuple[int, tuple[Item, Result] | BaseException | None]] = (
            SimpleQueue()
        )
        for _ in range(crew.ahead):
            self._permits.put(None)
        self._threads = [
            threading.Thread(target=self._run, name="spotlet-worker", daemon=True)
            for _ in range(crew.workers)
        ]

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def results(self, idle: Callable[[], None]) -> Iterator[tuple[Item, Result]]:
        """Gives the outcomes by their numbers; raises one that is an error."""
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
                    del pair  # what nobody needs must not wait for the next
            self._permits.put(None)

    def end(self, stop: Callable[[], None]) -> None:
        """Ends the threads and waits for them: for what each is just doing."""
        self._over = True
        stop()
        for _ in self._threads:
            self._permits.put(None)
        for thread in self._threads:
            if thread.is_alive():  # else an interrupt came before it was started
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


def usable_cores() -> int:
    """Returns how many cores this process may use, from 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
