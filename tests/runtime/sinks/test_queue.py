import signal
import threading
import time

import pytest
from live_frames import found, live_frame
from patience import PATIENCE_SECONDS, NeverComes, ends, wait_until

from spotlet.detections import Detections
from spotlet.errors import OutputError, UsageError
from spotlet.sinks import QueuedSink, QueueRule, SinkGroup, queue
from spotlet.sinks.group import close_all
from spotlet.sinks.queue import CLOSE_SECONDS, FINISH_SECONDS
from spotlet.streams import Frame


class _Gate:
    """A sink that writes only when it may, and may fail."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.may_write = threading.Event()
        self.is_writing = threading.Event()
        self.is_closed = threading.Event()
        self.numbers: list[int] = []
        self.threads: set[int] = set()
        self._fails_at = fails_at

    @property
    def written(self) -> str | None:
        return f"gate ({len(self.numbers)} frames)"

    def write(self, frame: Frame, detections: Detections) -> None:
        self.threads.add(threading.get_ident())
        self.is_writing.set()
        assert self.may_write.wait(PATIENCE_SECONDS)
        if frame.index == self._fails_at:
            raise OutputError("gate: the disk is full")
        self.numbers.append(frame.index)

    def close(self) -> None:
        assert not self.is_closed.is_set()
        self.is_closed.set()


def _write(sink: QueuedSink, *numbers: int) -> None:
    for number in numbers:
        sink.write(live_frame(number), found())


def _write_for_long(sink: QueuedSink) -> None:
    for number in range(5000):
        _write(sink, number)
        time.sleep(0.001)


def test_frames_are_written_in_order_in_another_thread() -> None:
    gate = _Gate()
    gate.may_write.set()
    sink = QueuedSink(gate, 100)
    _write(sink, *range(50))
    sink.close()
    sink.close()
    assert gate.numbers == list(range(50))
    assert gate.is_closed.is_set()
    assert threading.get_ident() not in gate.threads
    assert (sink.dropped, sink.written) == (0, "gate (50 frames)")


def test_a_frame_is_dropped_and_counted_if_the_queue_is_full() -> None:
    gate = _Gate()
    sink = QueuedSink(gate, 3, "drop")
    _write(sink, 0)
    assert gate.is_writing.wait(PATIENCE_SECONDS)
    _write(sink, *range(1, 10))  # three of them wait
    assert sink.dropped == 6
    gate.may_write.set()
    sink.close()
    assert gate.numbers == [0, 1, 2, 3]
    assert sink.written == "gate (4 frames); 6 frames dropped, writing was too slow"


def test_under_the_rule_block_the_writer_waits() -> None:
    gate = _Gate()
    sink = QueuedSink(gate, 2, "block")
    writer = threading.Thread(target=_write, args=(sink, *range(6)))
    writer.start()
    assert gate.is_writing.wait(PATIENCE_SECONDS)
    writer.join(0.1)
    assert writer.is_alive()
    gate.may_write.set()
    writer.join(PATIENCE_SECONDS)
    assert not writer.is_alive()
    sink.close()
    assert gate.numbers == list(range(6))
    assert sink.dropped == 0


@pytest.mark.parametrize("rule", ["drop", "block"])
def test_an_error_reaches_the_next_write(rule: QueueRule) -> None:
    gate = _Gate(fails_at=1)
    sink = QueuedSink(gate, 2, rule)
    gate.may_write.set()
    with pytest.raises(OutputError, match="the disk is full"):
        _write_for_long(sink)
    with pytest.raises(OutputError, match="the disk is full"):
        _write(sink, 1000)
    sink.close()
    assert gate.numbers == [0]
    assert gate.is_closed.is_set()


def test_an_error_frees_a_waiting_writer() -> None:
    gate = _Gate(fails_at=0)
    sink = QueuedSink(gate, 1, "block")
    threading.Timer(0.1, gate.may_write.set).start()
    with pytest.raises(OutputError, match="the disk is full"):
        _write(sink, *range(10))
    sink.close()


def test_an_unreported_error_is_raised_at_the_end() -> None:
    gate = _Gate(fails_at=1)
    sink = QueuedSink(gate, 3)
    _write(sink, 0, 1, 2)
    gate.may_write.set()
    with pytest.raises(OutputError, match="the disk is full"):
        sink.close()
    sink.close()
    assert gate.is_closed.is_set()


def test_closing_takes_no_longer_than_it_may() -> None:
    gate = _Gate()
    sink = QueuedSink(gate, 5, close_seconds=0.2)
    _write(sink, *range(5))
    with pytest.raises(OutputError, match=r"not finished within 0\.5 s"):
        ends(sink.close)
    gate.may_write.set()
    assert gate.is_closed.wait(PATIENCE_SECONDS)
    assert gate.numbers == [0]


def test_what_is_queued_too_long_at_the_end_is_dropped() -> None:
    gate = _Gate()
    sink = QueuedSink(gate, 5, close_seconds=0.1)
    _write(sink, 0)
    assert gate.is_writing.wait(PATIENCE_SECONDS)
    _write(sink, *range(1, 5))
    sink.finish()
    time.sleep(0.2)
    gate.may_write.set()
    assert sink._ended.wait(PATIENCE_SECONDS)
    sink.close()
    assert gate.is_closed.is_set()
    assert gate.numbers == [0]
    assert sink.dropped == 4


def test_a_frame_whose_writing_fails_counts_as_dropped() -> None:
    gate = _Gate(fails_at=1)
    sink = QueuedSink(gate, 4)
    _write(sink, 0, 1, 2, 3)
    gate.may_write.set()
    with pytest.raises(OutputError, match="the disk is full"):
        sink.close()
    assert (gate.numbers, sink.dropped) == ([0], 3)
    assert sink.written == "gate (1 frames); 3 frames dropped, writing failed"


def test_under_the_rule_block_everything_is_written_at_the_end() -> None:
    gate = _Gate()
    sink = QueuedSink(gate, 5, "block", close_seconds=0.05)
    _write(sink, *range(5))
    threading.Timer(0.05 + FINISH_SECONDS + 0.2, gate.may_write.set).start()
    sink.close()
    assert (gate.numbers, sink.dropped) == (list(range(5)), 0)


@pytest.mark.parametrize("rule", ["drop", "block"])
def test_in_a_hurry_either_rule_drops(rule: QueueRule) -> None:
    gate = _Gate()
    sink = QueuedSink(gate, 5, rule, close_seconds=0.1)
    _write(sink, *range(5))
    sink.finish(hurry=True)
    with pytest.raises(OutputError, match="not finished"):
        sink.close()
    gate.may_write.set()
    assert gate.is_closed.wait(PATIENCE_SECONDS)


def test_sinks_that_hang_are_waited_for_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = NeverComes()
    monkeypatch.setattr(queue, "time", clock)
    gates = [_Gate() for _ in range(4)]
    sinks = [QueuedSink(gate) for gate in gates]
    for sink in sinks:
        _write(sink, 0)
        monkeypatch.setattr(sink, "_ended", clock)
    started = clock.now
    errors = close_all([sinks[0], SinkGroup({"a": sinks[1], "b": sinks[2]}), sinks[3]])
    assert len(errors) == 3
    assert CLOSE_SECONDS + FINISH_SECONDS < 1
    assert clock.now - started == pytest.approx(CLOSE_SECONDS + FINISH_SECONDS)
    for gate in gates:
        gate.may_write.set()


def test_ctrl_c_at_the_end_hurries() -> None:
    def interrupt(sink: QueuedSink, gate: _Gate | None = None) -> None:
        """Presses Ctrl-C when the end has begun; lets the gate open when it is in a hurry."""
        wait_until(lambda: sink._finishing)
        signal.raise_signal(signal.SIGINT)
        wait_until(lambda: sink._deadline < float("inf"))
        if gate is not None:
            gate.may_write.set()

    gate = _Gate()
    sink = QueuedSink(gate, 5, "block", close_seconds=PATIENCE_SECONDS)
    _write(sink, 0)
    threading.Thread(target=interrupt, args=(sink, gate)).start()
    with pytest.raises(KeyboardInterrupt):
        close_all([sink])
    assert gate.is_closed.is_set()  # it was waited for, and would not have been for ever

    hung = _Gate()
    sink = QueuedSink(hung, 5, "block")
    _write(sink, 0)
    threading.Thread(target=interrupt, args=(sink,)).start()
    with pytest.raises(KeyboardInterrupt):
        close_all([sink])
    assert not hung.is_closed.is_set()
    hung.may_write.set()


def test_a_closed_sink_takes_nothing() -> None:
    gate = _Gate()
    sink = QueuedSink(gate)
    sink.close()
    with pytest.raises(UsageError, match="closed"):
        _write(sink, 0)


def test_impossible_queues_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        QueuedSink(_Gate(), 0)
    with pytest.raises(UsageError, match="drop or block"):
        QueuedSink(_Gate(), rule="grow")  # type: ignore[arg-type]
