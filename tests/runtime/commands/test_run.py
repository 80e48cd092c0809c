"""What `spotlet run` prints of a run."""

import io
import sys

import pytest

from spotlet.commands.run import _Terminal
from spotlet.running import RunSettings
from spotlet.streams import StatusEvent

EVENT = StatusEvent(source="camera 0", state="lost", epoch=0, at=1.7e9)


@pytest.fixture
def terminal() -> _Terminal:
    return _Terminal(RunSettings(model="m", sources=["s"]), debug=False)


def test_a_state_is_printed_with_its_time_on_standard_error(
    terminal: _Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.show_status(EVENT)
    assert capsys.readouterr().err == "2023-11-14T22:13:20Z camera 0: lost\n"


@pytest.mark.parametrize("kind", ["full", "gone", "closed"])
def test_standard_error_may_be_gone(
    terminal: _Terminal, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left") if kind == "full" else BrokenPipeError

    stream = Gone()
    if kind == "closed":
        stream = io.StringIO()  # type: ignore[assignment]
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    terminal.show_status(EVENT)
