"""Runners: programs that the tests write, good ones and each kind of bad one."""

import json
import os
import signal
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from patience import PATIENCE_SECONDS, ends, wait_until

from spotlet.errors import UsageError
from spotlet.letterbox import ImageArray, Letterbox
from spotlet.runner import Runner, RunnerError
from spotlet.runner.messages import Canvas, read_answer, read_hello

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.name != "posix", reason="runners need Linux or macOS"),
]

EXAMPLES = Path(__file__).parents[3] / "examples" / "runners"

SOON_SECONDS = 0.3
"""The time limit where a test waits for it to pass."""

PRELUDE = """
import json, os, subprocess, sys, time
def say(**content):
    sys.stdout.write(json.dumps(content) + "\\n"); sys.stdout.flush()
def hello(**more):
    say(spotlet_runner=1, **{"classes": ["cat", "dog"], "input": "frame", **more})
def pictures():
    while line := sys.stdin.buffer.readline():
        asked = json.loads(line)
        asked["bytes"] = sys.stdin.buffer.read(asked["height"] * asked["width"] * 3)
        yield asked
"""

GOOD = """
hello({hello})
for asked in pictures():
    say(id=asked["id"], {answer})
"""

FRAME = np.arange(60 * 80 * 3, dtype=np.uint64).astype(np.uint8).reshape(60, 80, 3)

Writer = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """Returns a function that writes a program and returns the command that starts it."""

    def write_program(code: str) -> str:
        path = tmp_path / "program.py"
        path.write_text(PRELUDE + textwrap.dedent(code), "utf-8")
        return f"'{sys.executable}' -S '{path}'"

    return write_program


def start(command: str, seconds: float = PATIENCE_SECONDS) -> Runner:
    return Runner(command, start_seconds=PATIENCE_SECONDS, answer_seconds=seconds)


def good(write: Writer, answer: str, hello: str = "") -> str:
    return write(GOOD.format(answer=answer, hello=hello))


ONE = "boxes=[[10, 20, 30, 40]], scores=[0.75], class_ids=[1]"


def test_a_program_that_takes_frames_finds_boxes_in_their_pixels(write: Writer) -> None:
    answer = "boxes=[[1, 2, 3, 4], [-5, 10, 500, 61]], scores=[0.6, 0.9], class_ids=[0, 1]"
    hello = "name='a teacher', score_threshold=0.35"
    with start(good(write, answer, hello)) as runner:
        assert (runner.name, runner.class_names) == ("a teacher", ("cat", "dog"))
        assert runner.score_threshold == 0.35
        found = runner.find(FRAME, 0.1)
        assert found.class_names == ("cat", "dog")
        assert found.class_ids.tolist() == [1, 0]
        np.testing.assert_allclose(found.scores, [0.9, 0.6])
        np.testing.assert_allclose(found.boxes_xyxy, [[0, 10, 80, 60], [1, 2, 3, 4]], rtol=1e-5)
        assert runner.find(FRAME, 0.7).class_ids.tolist() == [1]


def test_a_runner_without_a_name_or_threshold_has_the_command_and_a_half(write: Writer) -> None:
    command = good(write, ONE)
    with start(command) as runner:
        assert (runner.name, runner.score_threshold) == (command, 0.5)


@pytest.mark.parametrize("resize", ["letterbox", "letterbox_corner", "stretch"])
@pytest.mark.parametrize("colour", ["bgr", "rgb"])
def test_the_canvas_is_the_runtimes_own_and_boxes_are_mapped_back(
    write: Writer, tmp_path: Path, colour: str, resize: str
) -> None:
    canvas = {"height": 48, "width": 40, "colour": colour, "resize": resize, "pad": 7}
    canvas["interpolation"] = "nearest"
    command = write(
        f"""
        hello(input={canvas!r})
        for asked in pictures():
            with open({str(tmp_path / "seen")!r}, "wb") as file:
                file.write(asked.pop("bytes"))
            print(json.dumps(asked), file=open({str(tmp_path / "asked")!r}, "w"))
            say(id=asked["id"], {ONE})
        """
    )
    with start(command) as runner:
        found = runner.find(FRAME, 0.25)
    letterbox = Letterbox((60, 80), (48, 40), "nearest", 7, resize)
    expected = letterbox.apply(FRAME)
    seen = np.frombuffer((tmp_path / "seen").read_bytes(), np.uint8).reshape(48, 40, 3)
    assert np.array_equal(seen, expected if colour == "bgr" else expected[..., ::-1])
    asked = (tmp_path / "asked").read_text("utf-8").strip()
    assert asked == '{"id": 1, "height": 48, "width": 40, "score_threshold": 0.25}'
    boxes = letterbox.to_frame(np.array([[10, 20, 30, 40]], np.float32))
    np.testing.assert_allclose(found.boxes_xyxy, boxes, rtol=1e-4)


def test_overlaps_stay_unless_the_hello_leaves_their_suppression_to_spotlet(write: Writer) -> None:
    answer = "boxes=[[0, 0, 20, 20], [1, 0, 21, 20]] * 2, scores=[.5] * 4, class_ids=[0, 0, 1, 1]"
    with start(good(write, answer)) as runner:
        assert len(runner.find(FRAME, 0.1)) == 4
    with start(good(write, answer, "iou_threshold=0.5")) as runner:
        assert runner.find(FRAME, 0.1).class_ids.tolist() == [0, 1]


def test_an_answer_to_a_given_canvas_is_all_that_the_program_said(
    write: Writer, tmp_path: Path
) -> None:
    boxes = "[[0, 0, 20, 24], [1, 0, 21, 24], [30, 6, 45, 12]]"
    command = write(
        f"""
        hello(input=dict(height=48, width=40, colour="rgb"), iou_threshold=0.5)
        for asked in pictures():
            open({str(tmp_path / "seen")!r}, "wb").write(asked["bytes"])
            say(id=asked["id"], boxes={boxes}, scores=[0.5, 0.75, 0.1], class_ids=[0, 0, 1])
        """
    )
    canvas_bgr: ImageArray = np.arange(48 * 40 * 3, dtype=np.uint64).astype(np.uint8)
    canvas_bgr = canvas_bgr.reshape(48, 40, 3)
    with start(command) as runner:
        assert runner.hello.canvas == Canvas(height=48, width=40, colour="rgb")
        assert runner.hello.iou_threshold == 0.5
        found, scores, class_ids = runner.answer(canvas_bgr, 0.3)
        with pytest.raises(UsageError, match="picture of 60x80: this runner takes 48x40; letterb"):
            runner.answer(FRAME, 0.3)
    seen = np.frombuffer((tmp_path / "seen").read_bytes(), np.uint8).reshape(48, 40, 3)
    assert np.array_equal(seen, canvas_bgr[..., ::-1])
    expected = [[0, 0, 0.5, 0.5], [0.025, 0, 0.525, 0.5], [0.75, 0.125, 1, 0.25]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(scores, [0.5, 0.75, 0.1], rtol=1e-6)
    assert class_ids.tolist() == [0, 0, 1]


def test_nothing_found_and_empty_boxes_are_no_detections(write: Writer) -> None:
    empty = "boxes=[], scores=[], class_ids=[]"
    outside = "boxes=[[5, 5, 5, 9], [90, 0, 99, 9]], scores=[1, 1.0], class_ids=[0, 0]"
    for answer in (empty, outside):
        with start(good(write, answer)) as runner:
            assert len(runner.find(FRAME, 0.1)) == 0


def test_a_program_that_writes_before_it_reads_does_not_block(write: Writer) -> None:
    command = write(
        """
        hello()
        sys.stderr.write("x" * 300_000 + "\\n"); sys.stderr.flush()
        for asked in pictures():
            sys.stderr.write("y" * 300_000 + "\\n"); sys.stderr.flush()
            boxes = [[1.125, 2.25, 3.5, 4.75]] * 20_000
            say(id=asked["id"], boxes=boxes, scores=[0.5] * 20_000, class_ids=[0] * 20_000)
        """
    )
    large: ImageArray = np.zeros((1000, 1000, 3), np.uint8)
    with start(command) as runner:
        for _ in range(2):
            assert len(ends(lambda: runner.find(large, 0.1))) == 300  # the runtime's own limit


def test_standard_error_is_passed_on(write: Writer, capsys: pytest.CaptureFixture[str]) -> None:
    command = write("print('loading…', file=sys.stderr); hello(); list(pictures())")
    with start(command):
        pass
    assert "loading" in capsys.readouterr().err


def find_in(command: str, frame: ImageArray, start_seconds: float, answer_seconds: float) -> None:
    with Runner(command, start_seconds=start_seconds, answer_seconds=answer_seconds) as runner:
        runner.find(frame, 0.1)


def failure(
    command: str,
    frame: ImageArray = FRAME,
    start_seconds: float = PATIENCE_SECONDS,
    answer_seconds: float = PATIENCE_SECONDS,
) -> str:
    """Returns the one line of the error that a program causes."""
    with pytest.raises(RunnerError) as caught:
        find_in(command, frame, start_seconds, answer_seconds)
    text = str(caught.value)
    assert text.startswith("runner '")
    assert "\n" not in text
    assert caught.value.exit_code == 4
    return text


HELLO_FAULTS = {
    "print('Loading model'); hello()": "is not JSON (",
    "say(classes=['a'], input='frame')": "spotlet_runner None",
    "say(spotlet_runner=2, classes=['a'], input='frame')": "spotlet_runner 2",
    "hello(treshold=1)": "unknown keys: treshold",
    "hello(classes=[])": "1 to 65536 names",
    "hello(classes=['a', 'a'])": "must not repeat",
    "hello(classes='cat')": "not a list",
    "hello(input='canvas')": "neither",
    "hello(input={'height': 4})": "lacks width",
    "hello(input={'height': 0, 'width': 4})": "a side 0",
    "hello(input={'height': 8192, 'width': 8192})": "67108864 pixels",
    "hello(input={'height': 4, 'width': 4, 'colour': 'grey'})": "one of bgr, rgb",
    "hello(input={'height': 4, 'width': 4, 'resize': 'crop'})": "one of letterbox",
    "hello(input={'height': 4, 'width': 4, 'pad': 300})": "pad 300",
    "hello(input={'height': 4, 'width': 4, 'interpolation': 'cubic'})": "one of linear_exact",
    "hello(score_threshold=2)": "score_threshold 2",
    "hello(iou_threshold=0)": "iou_threshold 0",
    "hello(name=7)": "name 7",
    "print('[1]')": "JSON object",
}


@pytest.mark.parametrize("code", HELLO_FAULTS)
def test_a_hello_that_breaks_a_rule_is_refused_by_it(write: Writer, code: str) -> None:
    text = failure(write(code + "\nlist(pictures())"))
    assert HELLO_FAULTS[code] in text
    assert "everything else goes to standard error" in text


ANSWER_FAULTS = {
    "print('found 3', flush=True)": "is not JSON (",
    f"say(id=7, {ONE})": "id 7; the picture has 1",
    f"say({ONE})": "id None",
    "say(id=1, boxes=[], scores=[])": "lacks class_ids",
    f"say(id=1, ms=3, {ONE})": "unknown keys: ms",
    "say(id=1, boxes={}, scores=[], class_ids=[])": "not a list",
    "say(id=1, boxes=[[1, 2, 3, 4]], scores=[], class_ids=[0])": "1 boxes, 0 scores",
    "say(id=1, boxes=[[1, 2, 3]], scores=[1], class_ids=[0])": "four numbers",
    "say(id=1, boxes=[[1, 2, '3', 4]], scores=[1], class_ids=[0])": "four numbers",
    "say(id=1, boxes=[[1, 2, float('nan'), 4]], scores=[1], class_ids=[0])": "NaN",
    "say(id=1, boxes=[[1, 2, float('inf'), 4]], scores=[1], class_ids=[0])": "Infinity",
    "say(id=1, boxes=[[3, 2, 1, 4]], scores=[1], class_ids=[0])": "bottom, not a centre and a size",
    "say(id=1, boxes=[[1, 2, 3, 4]], scores=[1.5], class_ids=[0])": "the network's activation",
    "say(id=1, boxes=[[1, 2, 3, 4]], scores=[float('nan')], class_ids=[0])": "NaN",
    "say(id=1, boxes=[[1, 2, 3, 4]], scores=[True], class_ids=[0])": "score True",
    "say(id=1, boxes=[[1, 2, 3, 4]], scores=[1], class_ids=[2])": "class id 2; it must be from 0",
    "say(id=1, boxes=[[1, 2, 3, 4]], scores=[1], class_ids=[0.0])": "class id 0.0",
    "say(id=1, error='out of memory')": "reports an error: out of memory",
    "say(id=1, error='')": "reports an error: without a text",
    "say(id=None, error='Traceback:\\n\\x1b[1m  line 7\\r\\n')": "Traceback: ?[1m line 7",
    "say(id=1, error='File ' * 100 + 'ncnn failed')": "error: …le File File",
    "say(id=1, error='File ' * 100 + 'ncnn  failed')": "File ncnn failed;",
    "say(id=1, boxes=[['x' * 9999]], scores=[1], class_ids=[0])": "has the box ['xxx",
}


@pytest.mark.parametrize("code", ANSWER_FAULTS)
def test_an_answer_that_breaks_a_rule_is_refused_by_it(write: Writer, code: str) -> None:
    text = failure(write(f"hello()\nfor asked in pictures():\n    {code}"))
    assert ANSWER_FAULTS[code] in text
    assert "answer to picture 1" in text
    assert len(text) < 700


ENDS: dict[str, tuple[str, ...]] = {
    "sys.exit('no module ncnn')": ("exit code 1", "(its last words: no module ncnn)", "hello"),
    "raise ImportError('ncnn')": ("exit code 1", "ImportError: ncnn"),
    "pass": ("exit code 0 instead of giving its hello",),
    "os.kill(os.getpid(), 9)": ("ended by SIGKILL",),
    "os.kill(os.getpid(), 40)": ("ended by signal 40",),
    "hello(); next(pictures()); sys.exit(3)": ("exit code 3", "answer to picture 1"),
    "hello(); sys.exit(3)": ("exit code 3", "answer to picture 1"),
    "hello(); os.close(1); os.close(0); time.sleep(99)": ("closed its standard output",),
}


@pytest.mark.parametrize("code", ENDS)
def test_a_program_that_ends_early_is_reported_with_how_and_its_last_words(
    write: Writer, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "sleep" in code:
        monkeypatch.setattr("spotlet.runner.program.END_SECONDS", SOON_SECONDS)
    text = failure(write(code))
    for part in ENDS[code]:
        assert part in text


def test_a_reason_given_before_the_end_is_the_one_reported(write: Writer) -> None:
    text = failure(write("hello(); say(id=1, error='no such layer'); os.close(0)"))
    assert "no such layer" in text


HANGS = {
    "hello(); next(pictures()); time.sleep(999)": "gave no answer to picture 1 within 0.3 s",
    "hello(); time.sleep(999)": "did not read all that it was sent within 0.3 s",
    "time.sleep(999)": "gave no hello within 0.3 s",
}


@pytest.mark.parametrize("code", HANGS)
def test_a_program_that_hangs_is_stopped_with_what_it_started(
    write: Writer, tmp_path: Path, code: str
) -> None:
    child = tmp_path / "child"
    code = (
        "started = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(999)'])\n"
        f"open({str(child)!r}, 'w').write(str(started.pid))\n{code}"
    )
    side = 1000 if "pictures" not in code else 60  # a pipe holds the smaller
    frame: ImageArray = np.zeros((side, side, 3), np.uint8)
    start_seconds = PATIENCE_SECONDS if "hello" in code else SOON_SECONDS
    text = failure(write(code), frame, start_seconds, SOON_SECONDS)
    assert HANGS[code.splitlines()[-1]] in text
    assert not child.exists() or gone(int(child.read_text()))


def gone(pid: int) -> bool:
    """Waits until a process has ended; a zombie that no one has waited for counts as ended."""

    def ended() -> bool:
        try:
            os.kill(pid, 0)
            return ") Z " in Path(f"/proc/{pid}/stat").read_text()
        except (ProcessLookupError, FileNotFoundError):
            return True

    wait_until(ended)
    return True


def test_a_line_without_an_end_is_not_read_for_long(write: Writer) -> None:
    text = failure(write("while True: sys.stdout.write('x' * 100_000)"))
    assert "over 4 MiB as its hello" in text


def test_a_program_that_crashed_is_noticed_although_its_child_holds_the_pipe(write: Writer) -> None:
    text = failure(
        write(
            """
            hello()
            subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(999)"])
            next(pictures())
            sys.exit(5)
            """
        )
    )
    assert "exit code 5" in text


def test_after_an_error_the_runner_says_that_it_has_ended(write: Writer) -> None:
    with start(write("hello(); next(pictures()); sys.exit(3)")) as runner:
        for expected in ("exit code 3", "has ended"):
            with pytest.raises(RunnerError, match=expected):
                runner.find(FRAME, 0.1)


@pytest.mark.parametrize(
    ("command", "said"),
    [("/nowhere/teacher --x", "cannot start /nowhere/teacher"), ("/", "cannot start /")],
)
def test_a_program_that_cannot_be_started_is_named(command: str, said: str) -> None:
    assert said in failure(command)


@pytest.mark.parametrize("command", ["", "  ", "python 'x"])
def test_a_command_that_is_none_is_wrong_usage(command: str) -> None:
    with pytest.raises(UsageError, match="runner '"):
        Runner(command)


def test_wrong_times_thresholds_and_frames_are_wrong_usage(write: Writer) -> None:
    with pytest.raises(UsageError, match="over 0"):
        Runner("true", start_seconds=0)
    with start(good(write, ONE)) as runner:
        with pytest.raises(UsageError, match="from 0 to 1"):
            runner.find(FRAME, 1.5)
        with pytest.raises(UsageError, match="None in place of a frame"):
            runner.find(None, 0.5)
        assert len(runner.find(FRAME, 0.5)) == 1  # a refused call changes nothing


def test_an_interrupt_while_a_picture_is_computed_leaves_no_process(
    write: Writer, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    command = write(
        f"""
        hello()
        next(pictures())
        open({str(pid)!r}, "w").write(str(os.getpid()))
        os.kill(os.getppid(), {int(signal.SIGINT)})
        time.sleep(999)
        """
    )
    with pytest.raises(KeyboardInterrupt), start(command) as runner:
        runner.find(FRAME, 0.1)
    assert gone(int(pid.read_text()))


def test_the_end_closes_the_programs_input_and_lets_it_finish(
    write: Writer, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    with start(write(f"hello(); list(pictures()); open({str(done)!r}, 'w')")) as runner:
        assert isinstance(runner, Runner)
    assert done.exists()
    runner.close()


def test_a_program_that_does_not_end_is_killed(
    write: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spotlet.runner.program.END_SECONDS", SOON_SECONDS)
    pid = tmp_path / "pid"
    code = f"open({str(pid)!r}, 'w').write(str(os.getpid()))\nhello(); time.sleep(999)"
    with start(write(code)):
        pass
    assert gone(int(pid.read_text()))


def test_the_example_finds_what_is_red() -> None:
    example = EXAMPLES / "red_things.py"
    frame: ImageArray = np.full((200, 400, 3), 90, np.uint8)
    frame[50:90, 100:180] = (10, 20, 220)
    frame[120:160, 200:240] = (220, 20, 10)
    with start(f"'{sys.executable}' '{example}'") as runner:
        found = runner.find(frame, 0.5)
    assert [each.name for each in found] == ["red thing"]
    np.testing.assert_allclose(found.boxes_xyxy, [[100, 50, 180, 90]], atol=2)


NCNN = """
import numpy as np
__version__ = "1"
class Mat:
    class PixelType: PIXEL_BGR = 2
    @staticmethod
    def from_pixels(pixels, kind, width, height):
        assert pixels.shape == (width * height * 3,)
        return Mat()
    def substract_mean_normalize(self, mean, scale): pass
class Extractor:
    def __enter__(self): return self
    def __exit__(self, *error): pass
    def input(self, name, mat): assert name in ("data", "input.1")
    def extract(self, name):
        if name == "758":
            output = np.zeros((85, 22, 22), np.float32)
            output[[0, 5 + 3], 10, 12] = 0.8
            output[1:5, 10, 12] = np.arctanh(0.5), 0, 0, -np.log(3)
            return 0, output
        output = np.zeros((3598, 112), np.float32)
        cell = 52 * 52 + 10 * 26 + 12
        output[cell, 2] = 0.8
        output[cell, [80 + 2, 88 + 1, 96 + 3, 104 + 0]] = 50
        return 0, output
class Net:
    def load_param(self, path):
        print("ncnn says what it likes", flush=True)
        return int("missing" in path)
    def load_model(self, path): return 0
    def create_extractor(self): return Extractor()
"""
"""A stand-in. NanoDet: one cell of stride 16 in row 10, column 12, with sides of 2, 1, 3 and 0
strides. FastestDet: the cell in row 10, column 12, of the fourth class; half a cell to the right;
half as wide as the picture, a quarter as high."""


def test_the_example_for_nanodet_decodes_a_cell_worked_by_hand(tmp_path: Path) -> None:
    (tmp_path / "ncnn.py").write_text(NCNN, "utf-8")
    program = f"env 'PYTHONPATH={tmp_path}' '{sys.executable}' '{EXAMPLES / 'nanodet_plus.py'}'"
    with start(f"{program} a.param a.bin") as runner:
        assert len(runner.class_names) == 80
        found = runner.find(np.zeros((416, 416, 3), np.uint8), 0.3)
    assert [each.name for each in found] == ["car"]
    np.testing.assert_allclose(found.boxes_xyxy, [[160, 144, 240, 160]], atol=0.1)
    assert "cannot load missing.param" in failure(f"{program} missing.param a.bin")


def test_the_example_for_fastestdet_decodes_a_cell_worked_by_hand(tmp_path: Path) -> None:
    (tmp_path / "ncnn.py").write_text(NCNN, "utf-8")
    names = tmp_path / "coco.names"
    names.write_text("\n".join(["person", "bicycle", "car", "motorbike", *map(str, range(76))]))
    program = f"env 'PYTHONPATH={tmp_path}' '{sys.executable}' '{EXAMPLES / 'fastestdet.py'}'"
    with start(f"{program} a.param a.bin '{names}'") as runner:
        assert len(runner.class_names) == 80
        found = runner.find(np.zeros((704, 1056, 3), np.uint8), 0.7)
    assert [each.name for each in found] == ["motorcycle"]
    np.testing.assert_allclose(found.scores, [0.8], atol=1e-5)
    # The centre is at 12.5 of 22 columns and 10 of 22 rows of a picture of 1056 x 704.
    np.testing.assert_allclose(found.boxes_xyxy, [[336, 232, 864, 408]], atol=0.1)
    assert "cannot load missing.param" in failure(f"{program} missing.param a.bin '{names}'")


def test_the_first_lines_of_the_documentation_are_a_hello_and_an_answer() -> None:
    page = (EXAMPLES.parents[1] / "docs" / "runners.md").read_text("utf-8")
    lines = [line for line in page.splitlines() if line.startswith('{"')]
    assert read_hello(lines[0].encode()).classes == ("cat", "dog")
    asked = json.loads(lines[1])
    boxes, _, _ = read_answer(lines[2].encode(), asked["id"], (asked["height"], asked["width"]), 2)
    assert boxes.shape == (2, 4)


def test_a_closed_standard_error_is_not_taken_for_the_end_of_the_output(
    write: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, written = os.pipe()
    os.close(read)
    with open(written, "w", encoding="utf-8") as nobody_reads:  # noqa: PTH123
        monkeypatch.setattr(sys, "stderr", nobody_reads)
        noisy = "print('loading', file=sys.stderr, flush=True); time.sleep(0.1); "
        with start(write(noisy + GOOD.format(answer=ONE, hello=""))) as runner:
            assert len(runner.find(FRAME, 0.1)) == 1
