import io

import pytest
from patience import Clock

from spotlet.text import terminal
from spotlet.text.terminal import Progress, duration, table


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_with_numbers_and_note() -> None:
    terminal = _Terminal()
    with Progress("train", total=10, unit="steps", file=terminal) as progress:
        progress.advance(4)
        progress.advance(6, note="loss 1.5")
        progress.message("epoch 1 done")
    text = terminal.getvalue()
    assert "train: 100%" in text
    assert "10/10" in text
    assert "loss 1.5" in text
    assert "epoch 1 done\n" in text


def test_elsewhere_plain_lines_come_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    log, clock = io.StringIO(), Clock()
    monkeypatch.setattr(terminal, "time", clock)
    with Progress("run", total=100, unit="frames", file=log, plain_seconds=5) as progress:
        for _ in range(50):
            progress.advance(note="2 found")
            clock.advance(0.4)
    lines = log.getvalue().splitlines()
    assert len(lines) == 3
    assert all(line.startswith("run: ") and line.endswith(", 2 found") for line in lines)
    assert "/100 frames, " in lines[0]
    assert " frames/s, " in lines[0]
    assert " left" in lines[0]
    assert "\r" not in log.getvalue()


def test_what_an_earlier_run_did_counts_as_done_but_not_as_speed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log, clock = io.StringIO(), Clock()
    monkeypatch.setattr(terminal, "time", clock)
    progress = Progress("teach", total=100, file=log, plain_seconds=5)
    progress.skip(60)
    clock.advance(10)
    progress.advance(20)
    assert log.getvalue().startswith("teach: 80/100 steps, 2.0 steps/s, 10 s left")


def test_without_a_total_no_time_is_promised() -> None:
    log = io.StringIO()
    progress = Progress("run", unit="frames", file=log, plain_seconds=0)
    progress.advance(3)
    assert log.getvalue().startswith("run: 3 frames, ")
    assert "left" not in log.getvalue()


def test_short_work_writes_nothing_elsewhere() -> None:
    log = io.StringIO()
    with Progress("run", total=3, file=log) as progress:
        progress.advance(3)
    assert log.getvalue() == ""


def test_closing_twice_is_allowed() -> None:
    progress = Progress("run", file=_Terminal())
    progress.close()
    progress.close()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (7260, "2 h 01 min")],
)
def test_a_duration_is_said_as_a_person_would(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_table_aligns_text_left_and_numbers_right() -> None:
    assert table([("cat", 12), ("giraffe", 3)], header=("class", "found")) == (
        "class    found\ncat         12\ngiraffe      3"
    )


def test_a_table_without_rows_is_its_header() -> None:
    assert table([], header=("class", "found")) == "class  found"
    assert table([]) == ""
