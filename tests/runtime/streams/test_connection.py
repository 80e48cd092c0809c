import queue
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from patience import PATIENCE_SECONDS, Clock, ends, wait_until

from spotlet.errors import SourceError, UsageError
from spotlet.streams import Frame, Reconnection, StatusEvent, Stream, StreamGroup
from spotlet.streams.capture import CLOSE_SECONDS, Capture
from spotlet.streams.connection import MOST_ABANDONED, SETTLE_SECONDS, Connection
from spotlet.streams.frame import take_frame
from spotlet.streams.source import Source

NAME = "rtsp://10.0.0.7/door"
RULES = Reconnection(
    stall_seconds=0.5, open_seconds=0.5, first_seconds=0.02, most_seconds=0.05, stable_seconds=60
)


class Camera:
    """A connection to a camera that does what the test says, and else hangs."""

    fps: float | None = None
    frame_count: int | None = None
    decoder: str | None = None

    def __init__(self, *numbers: int) -> None:
        self.size_hw: tuple[int, int] | None = (4, 4)
        self.ended_early: str | None = None
        self.closed = threading.Event()
        self._given: queue.Queue[Frame | Exception | None] = queue.Queue()
        self._has_read = False
        self.give(*numbers)

    def give(self, *numbers: int, side: int = 4) -> None:
        """Frames that carry their number in every pixel."""
        for number in numbers:
            self._given.put(take_frame(np.full((side, side, 3), number, np.uint8), NAME, 0, None))

    def fail(self, error: Exception) -> None:
        self._given.put(error)

    def end(self, early: str | None) -> None:
        self.ended_early = early
        self._given.put(None)

    @property
    def is_awaited(self) -> bool:
        """Whether all that was given has been read, and more is waited for."""
        return self._given.unfinished_tasks == 0

    def read(self) -> Frame | None:
        if self._has_read:  # and done with it, or it would not come again
            self._given.task_done()
        self._has_read = True
        given = self._given.get()
        if isinstance(given, Exception):
            raise given
        return given

    def close(self) -> None:
        self.closed.set()


class Owner:
    """A connection, what it told and what it gave.

    Time passes for it only while it is polled and its thread has nothing to do.
    """

    def __init__(
        self, clock: Clock, *openings: Camera | Exception, rules: Reconnection = RULES
    ) -> None:
        self.clock = clock
        self.events: list[StatusEvent] = []
        self.frames: list[Frame] = []
        self.changed = threading.Event()
        self.hung = threading.Event()
        self._hangs = threading.Event()
        self._openings = list(openings)
        self._cameras = [opening for opening in openings if isinstance(opening, Camera)]
        self.connection = Connection(NAME, self._open, rules, self.changed, self.events.append)

    @property
    def states(self) -> str:
        return " ".join(event.state for event in self.events)

    def poll(self, until: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not until():
            assert time.monotonic() < deadline, self.states
            is_busy = self.is_busy()
            frame = self.connection.poll()
            if frame is not None:
                self.frames.append(frame)
            elif is_busy:
                time.sleep(0.001)
            else:
                self.clock.advance(0.01)

    def is_busy(self) -> bool:
        """Whether the thread that reads has something to do now."""
        capture = self.connection._capture
        if capture is None or capture._ended:
            return False
        if isinstance(capture.reader, Camera):
            return not capture.reader.is_awaited
        return not self._hangs.is_set()

    def settle(self) -> None:
        wait_until(lambda: not self.is_busy())
        self.clock.advance(SETTLE_SECONDS + 0.1)

    def poll_for_frame(self, number: int) -> Frame:
        self.poll(lambda: self.frames and self.frames[-1].image[0, 0, 0] == number)
        return self.frames[-1]

    def poll_for_state(self, states: str) -> None:
        self.poll(lambda: self.states.endswith(states))

    def let_go(self) -> None:
        """Ends all that hangs."""
        self.hung.set()
        for camera in self._cameras:
            camera.end(None)

    def _open(self) -> Camera:
        if not self._openings:
            self._hangs.set()
            self.hung.wait()
            raise SourceError(f"{NAME}: nobody there")
        opening = self._openings.pop(0)
        if isinstance(opening, Exception):
            raise opening
        return opening


Own = Callable[..., Owner]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("connection", "capture", "feeds", "stream"):
        monkeypatch.setattr(f"spotlet.streams.{module}.time", clock)
    return clock


@pytest.fixture
def own(clock: Clock) -> Iterator[Own]:
    owners: list[Owner] = []

    def start(*openings: Camera | Exception, rules: Reconnection = RULES) -> Owner:
        owners.append(Owner(clock, *openings, rules=rules))
        return owners[-1]

    yield start
    for owner in owners:
        owner.let_go()
        owner.connection.close()


def test_every_frame_that_was_read_is_handed_on_or_counted_in_all_epochs(own: Own) -> None:
    first, second, third = Camera(*range(5)), Camera(10, 11), Camera(12)
    owner = own(first, second, third)
    owner.poll_for_frame(4)
    first.give(5, 6, 7)
    owner.settle()
    owner.poll_for_frame(7)
    first.give(8)
    first.give(9, side=6)  # another size: read, and left out
    owner.poll_for_state("lost connecting live")
    owner.poll_for_frame(11)
    second.fail(SourceError(f"{NAME}: the cable is cut"))
    owner.poll_for_frame(12)
    assert [frame.index for frame in owner.frames] == [4, 7, 8, 11, 12]
    assert [frame.image[0, 0, 0] for frame in owner.frames] == [4, 7, 8, 11, 12]
    assert [frame.dropped for frame in owner.frames] == [4, 2, 0, 2, 0]
    assert [frame.epoch for frame in owner.frames] == [0, 0, 0, 1, 2]
    assert [(event.epoch, event.reason) for event in owner.events if event.state == "lost"] == [
        (0, "the size of its frames changed"),
        (1, "the cable is cut"),
    ]


def test_what_nobody_took_before_a_stall_is_counted(own: Own) -> None:
    first, second = Camera(0), Camera(3)
    owner = own(first, second)
    owner.poll_for_frame(0)
    first.give(1, 2)
    owner.settle()
    while "stalled" not in owner.states:  # as a stream does that is held back by `max_fps`
        owner.connection.tend()
        owner.clock.advance(0.01)
    first.give(77)  # read after it was given up: that goes nowhere
    frame = owner.poll_for_frame(3)
    assert (frame.index, frame.dropped, frame.epoch) == (3, 2, 1)
    assert first.closed.wait(PATIENCE_SECONDS)


def test_the_states_of_a_source_come_in_order_with_their_epochs(own: Own) -> None:
    first, second = Camera(0), Camera(1)
    owner = own(SourceError(f"{NAME}: cannot be reached"), first, second)
    owner.poll_for_frame(0)
    owner.poll_for_frame(1)
    owner.connection.close()
    assert [(event.state, event.epoch) for event in owner.events] == [
        ("connecting", 0),
        ("lost", 0),
        ("connecting", 0),
        ("live", 0),
        ("stalled", 0),
        ("connecting", 1),
        ("live", 1),
        ("ended", 1),
    ]
    waits = {event.state: event.retry_seconds for event in owner.events}
    assert waits["lost"] == pytest.approx(0.015, abs=0.005)
    assert waits["stalled"] == pytest.approx(0.03, abs=0.01)
    assert waits["live"] is None
    assert str(owner.events[1]).startswith(f"{NAME}: lost: cannot be reached; trying again in 0.0")


def test_each_attempt_comes_just_when_it_was_announced(own: Own) -> None:
    owner = own(*[SourceError(f"{NAME}: cannot be reached")] * 6, Camera(0))

    def is_live() -> bool:
        owner.connection.poll()
        owner.clock.advance(0.0 if owner.is_busy() else owner.connection.wait_seconds())
        return owner.states.endswith("live")

    wait_until(is_live)
    assert owner.states == "connecting lost " * 6 + "connecting live"
    for lost, connecting in zip(owner.events[1::2], owner.events[2::2], strict=False):
        assert lost.retry_seconds is not None
        assert connecting.at == pytest.approx(lost.at + lost.retry_seconds, abs=1e-6, rel=0)


def test_old_frames_that_come_at_once_are_left_out(own: Own) -> None:
    camera = Camera(*range(10))
    owner = own(camera)
    owner.poll_for_state("live")
    assert owner.frames == []
    camera.give(10, 11)
    frame = owner.poll_for_frame(11)
    assert (frame.index, frame.dropped) == (11, 11)


def test_a_thread_that_hangs_is_abandoned_and_few_are_at_once(own: Own) -> None:
    owner = own(rules=Reconnection(open_seconds=0.05, first_seconds=0.01, most_seconds=0.01))
    started = owner.clock.now
    owner.poll(lambda: owner.clock.now - started > 1.5)
    assert owner.states.count("lost") == MOST_ABANDONED
    left = owner.connection._left
    assert [capture.running for capture in left] == [True] * MOST_ABANDONED
    owner.let_go()
    owner.poll(lambda: owner.states.count("connecting") > MOST_ABANDONED)
    owner.poll(lambda: not any(capture.running for capture in left))


def test_closing_does_not_wait_for_what_hangs(own: Own) -> None:
    owner = own(Camera(0))
    owner.poll_for_frame(0)
    ends(owner.connection.close)
    assert owner.states == "connecting live ended"
    assert owner.connection.over


def test_closing_many_that_hang_takes_no_longer_than_one(
    own: Own, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Capture, "join", lambda self, seconds: clock.advance(seconds))
    owners = [own() for _ in range(6)]
    source = Source("url", NAME, NAME)
    group = StreamGroup(
        [Stream(source, owner.connection, "live", None, owner.changed) for owner in owners],
        threading.Event(),
    )
    started = clock.now
    group.close()
    assert clock.now - started == pytest.approx(CLOSE_SECONDS)
    assert {owner.states for owner in owners} == {"connecting ended"}


def test_a_source_that_was_never_there_is_an_error_when_its_retries_are_used_up(own: Own) -> None:
    refusals = [SourceError(f"{NAME}: cannot be reached")] * 3
    owner = own(*refusals, rules=Reconnection(retries=2, first_seconds=0.01))
    with pytest.raises(SourceError) as caught:
        owner.poll(lambda: False)
    reason = "cannot be reached; no retries left (2 allowed)"
    assert str(caught.value) == f"{NAME}: {reason}"
    assert owner.states == "connecting lost " * 3 + "ended"
    assert owner.connection.over
    assert owner.connection.ended_early == reason


def test_a_source_that_was_there_ends_early_when_its_retries_are_used_up(own: Own) -> None:
    camera = Camera(0)
    owner = own(camera, rules=Reconnection(retries=0))
    owner.poll_for_frame(0)
    camera.end("the stream ended after 1 frames")
    owner.poll(lambda: owner.connection.over)
    assert owner.states == "connecting live lost ended"
    assert owner.connection.ended_early is not None
    assert owner.connection.poll() is None


@pytest.mark.parametrize(("stable_seconds", "goes_on"), [(0.01, True), (60.0, False)])
def test_a_connection_that_held_begins_a_new_row_of_retries(
    own: Own, stable_seconds: float, goes_on: bool
) -> None:
    cameras = [Camera(0), Camera(2)]
    rules = Reconnection(retries=1, first_seconds=0.01, stable_seconds=stable_seconds)
    owner = own(*cameras, rules=rules)
    for camera, number in zip(cameras, (1, 3), strict=True):
        owner.poll_for_state("live")
        owner.clock.advance(0.05)
        camera.give(number)
        owner.poll_for_frame(number)
        camera.end("it is gone")
        owner.poll(lambda: owner.states.endswith("connecting") or owner.connection.over)
    assert owner.connection.over != goes_on


def test_a_source_that_ends_without_a_reason_is_tried_again(own: Own) -> None:
    """Half of what cameras call a file is none, and a live source has no end of its own."""
    camera = Camera(0, 1)
    owner = own(camera, Camera(2))
    camera.end(None)
    owner.poll(lambda: len(owner.frames) == 2)
    assert [frame.index for frame in owner.frames] == [1, 2]
    assert owner.states == "connecting live lost connecting live"


def test_a_stream_that_is_held_back_still_looks_after_its_source(own: Own) -> None:
    camera = Camera(0)
    owner = own(camera, Camera(1))
    stream = Stream(Source("url", NAME, NAME), owner.connection, "live", 0.01, owner.changed)
    wait_until(lambda: not owner.is_busy())
    while stream.poll() is None:
        owner.clock.advance(0.01)
    camera.end("the cable is cut")

    def is_back() -> bool:
        assert stream.poll() is None
        owner.clock.advance(0.0 if owner.is_busy() else 0.01)
        return owner.states == "connecting live lost connecting live"

    wait_until(is_back)


def test_an_error_of_the_library_is_told_without_its_text(own: Own) -> None:
    owner = own(RuntimeError("rtsp://admin:hunter2@10.0.0.7/door"))
    owner.poll(lambda: "lost" in owner.states)
    assert owner.events[-1].reason == "RuntimeError while reading"
    assert "hunter2" not in repr(owner.events)


def test_waiting_ends_where_there_is_something_to_do(own: Own) -> None:
    camera = Camera()
    owner = own(camera)
    assert owner.connection.wait_seconds() == RULES.open_seconds
    camera.give(0)
    owner.poll_for_state("live")
    assert owner.connection.wait_seconds() == pytest.approx(SETTLE_SECONDS, abs=0.011)
    owner.poll_for_frame(0)
    assert 0 < owner.connection.wait_seconds() <= RULES.stall_seconds - SETTLE_SECONDS
    owner.poll_for_state("stalled")
    assert owner.connection.wait_seconds() <= RULES.most_seconds


def test_a_capture_says_that_it_changed_only_after_it_did() -> None:
    changed = threading.Event()
    camera = Camera()
    capture = Capture(lambda: camera, changed)
    for number in range(200):
        camera.give(number)
        assert changed.wait(PATIENCE_SECONDS)
        changed.clear()
        frame = capture.take()
        assert frame is not None
        assert frame.image[0, 0, 0] == number
    camera.end(None)
    assert changed.wait(PATIENCE_SECONDS)
    assert capture.ended


def test_waits_grow_twofold_to_a_ceiling_and_vary_by_half() -> None:
    rules = Reconnection(first_seconds=0.5, most_seconds=30)
    whole = [rules.wait_seconds(failures, chance=1) for failures in range(1, 9)]
    assert whole == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert [rules.wait_seconds(n, chance=0) for n in (1, 10**6)] == [0.25, 15]
    drawn = [rules.wait_seconds(10) for _ in range(50)]
    assert 15 <= min(drawn) < max(drawn) <= 30


@pytest.mark.parametrize(
    "settings",
    [
        {"retries": -1},
        {"stall_seconds": 0},
        {"open_seconds": float("nan")},
        {"first_seconds": -1},
        {"most_seconds": float("inf")},
        {"stable_seconds": -1},
    ],
)
def test_rules_out_of_their_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="must be"):
        Reconnection(**settings)  # type: ignore[arg-type]
