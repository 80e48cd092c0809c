"""The detector over a model that finds what is white: an object whose true box is known."""

import multiprocessing
import os
import pickle
import subprocess
import sys
import weakref
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import NodeProto, TensorProto, helper, numpy_helper
from patience import PATIENCE_SECONDS

from spotlet.boxes import FloatArray
from spotlet.detections import Detections
from spotlet.detector import AT_ONCE, Detector
from spotlet.errors import ModelFileError, UsageError
from spotlet.letterbox import ImageArray, Letterbox
from spotlet.manifest import METADATA_KEY, InputRule, Manifest
from spotlet.postprocess import MAX_CANDIDATES
from spotlet.session import ModelSession, SessionSettings

CANVAS_HW = (48, 80)
MANIFEST = Manifest(name="whites", classes=("dark", "white"), input=InputRule(size_hw=CANVAS_HW))


def first_and_last(profile: str, length: int, name: str) -> list[NodeProto]:
    """Returns nodes that give where a profile (N, length) is 1 at first and ends, in [0, 1]."""
    node = helper.make_node
    return [
        node("ArgMax", [profile], [f"{name}_first_index"], axis=1, keepdims=1),
        node("ArgMax", [profile], [f"{name}_last"], axis=1, keepdims=1, select_last_index=1),
        node("Add", [f"{name}_last", "one"], [f"{name}_end_index"]),
        *(
            step
            for end in ("first", "end")
            for step in (
                node("Cast", [f"{name}_{end}_index"], [f"{name}_{end}_float"], to=1),
                node("Div", [f"{name}_{end}_float", f"{name}_side"], [f"{name}_{end}"]),
            )
        ),
    ]


@pytest.fixture(scope="module")
def white_finder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose one box is that of the pixels over 127, score 0.75 where there are any."""
    height, width = CANVAS_HW
    node = helper.make_node
    nodes = [
        node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        node("ReduceMin", ["float", "channel_axis"], ["grey"], keepdims=0),
        node("Greater", ["grey", "middle"], ["is_white"]),
        node("Cast", ["is_white"], ["white"], to=TensorProto.FLOAT),
        node("ReduceMax", ["white", "row_axis"], ["columns"], keepdims=0),
        node("ReduceMax", ["white", "column_axis"], ["rows"], keepdims=0),
        *first_and_last("columns", width, "x"),
        *first_and_last("rows", height, "y"),
        node("Concat", ["x_first", "y_first", "x_end", "y_end"], ["flat"], axis=1),
        node("Unsqueeze", ["flat", "row_axis"], ["boxes"]),
        node("ReduceMax", ["columns", "row_axis"], ["any"], keepdims=1),
        node("Unsqueeze", ["any", "row_axis"], ["any_deep"]),
        node("Mul", ["any_deep", "score_of_class"], ["scores"]),
    ]
    constants: dict[str, npt.NDArray[Any]] = {
        "channel_axis": np.array([3], np.int64),
        "row_axis": np.array([1], np.int64),
        "column_axis": np.array([2], np.int64),
        "one": np.array(1, np.int64),
        "middle": np.array(127, np.float32),
        "x_side": np.array(width, np.float32),
        "y_side": np.array(height, np.float32),
        "score_of_class": np.array([[[0.125, 0.75]]], np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "whites",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", height, width, 3])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["N", 1, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 1, 2]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: MANIFEST.to_json()})
    onnx.checker.check_model(model)
    path = tmp_path_factory.mktemp("white_finder") / "model.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def detector(white_finder: Path) -> Detector:
    return Detector(white_finder, session=SessionSettings(threads=1))


def frame_with_white(size_hw: tuple[int, int], box: tuple[int, int, int, int]) -> ImageArray:
    frame = np.zeros((*size_hw, 3), np.uint8)
    left, top, right, bottom = box
    frame[top:bottom, left:right] = 255
    return frame


def equal(a: Detections, b: Detections) -> bool:
    return (
        np.array_equal(a.boxes_xyxy, b.boxes_xyxy)
        and np.array_equal(a.scores, b.scores)
        and np.array_equal(a.class_ids, b.class_ids)
    )


def span(draw: st.DrawFn, side: int) -> tuple[int, int]:
    """Draws where an object begins and ends.

    It reaches over both quarters, where two pixels of the canvas would be taken, and over the
    middle, where one would: so no scaling loses it.
    """
    return draw(st.integers(0, side // 5)), draw(st.integers(side - side // 5, side))


@st.composite
def frames(draw: st.DrawFn) -> tuple[ImageArray, tuple[int, int, int, int]]:
    sides = st.one_of(st.integers(1, 12), st.integers(1, 700))
    height, width = draw(sides), draw(sides)
    (left, right), (top, bottom) = span(draw, width), span(draw, height)
    box = (left, top, right, bottom)
    return frame_with_white((height, width), box), box


@settings(max_examples=150)
@given(frames())
def test_boxes_come_back_in_pixels_of_a_frame_of_any_size(
    detector: Detector, drawn: tuple[ImageArray, tuple[int, int, int, int]]
) -> None:
    frame, box = drawn
    height, width = frame.shape[:2]
    (found,) = detector(frame)
    assert (found.name, found.score) == ("white", 0.75)
    resized_height, resized_width = Letterbox((height, width), CANVAS_HW).resized_hw
    # An edge is seen to a pixel of the canvas, and that is this many pixels of the frame.
    coarse = np.array([width / resized_width, height / resized_height] * 2)
    assert np.all(np.abs(np.array(found.box_xyxy) - box) <= coarse + 1e-3)
    assert np.all(np.array(found.box_xyxy) >= 0)
    assert np.all(np.array(found.box_xyxy) <= (width, height) * 2)


@pytest.mark.parametrize("size_hw", [(48, 80), (96, 160), (480, 800), (96, 80), (48, 320)])
def test_a_box_on_the_grid_of_the_canvas_comes_back_exactly(
    detector: Detector, size_hw: tuple[int, int]
) -> None:
    height, width = size_hw
    box = (width // 4, height // 4, width // 2, 3 * height // 4)
    (found,) = detector(frame_with_white(size_hw, box))
    np.testing.assert_allclose(found.box_xyxy, box, atol=1e-4)


def test_a_batch_of_frames_of_different_sizes_equals_single_calls(detector: Detector) -> None:
    batch = [
        frame_with_white((30, 20), (4, 5, 12, 25)),
        np.zeros((1, 50, 3), np.uint8),
        frame_with_white((480, 640), (100, 200, 300, 400)),
        frame_with_white((7, 300), (0, 0, 300, 7)),
    ]
    together = detector.detect(batch)
    assert [len(found) for found in together] == [1, 0, 1, 1]
    assert all(equal(found, detector(frame)) for found, frame in zip(together, batch, strict=True))


def test_no_frames_give_no_detections(detector: Detector) -> None:
    assert detector.detect([]) == []


def test_frames_may_come_from_a_generator_or_in_one_array(detector: Detector) -> None:
    frames = [frame_with_white((48, 80), (left, 5, left + 9, 20)) for left in (3, 30)]
    expected = [detector(frame) for frame in frames]
    for several in (np.stack(frames), (frame for frame in frames), tuple(frames)):
        found = detector.detect(several)
        assert all(equal(*pair) for pair in zip(found, expected, strict=True))
    assert detector.detect(np.zeros((0, 48, 80, 3), np.uint8)) == []


def test_a_generator_is_detected_as_it_yields(detector: Detector) -> None:
    alive: list[weakref.ref[Any]] = []
    most = 0

    def frames() -> Iterator[Any]:
        nonlocal most
        for left in range(30):
            frame = frame_with_white((48, 80), (left, 5, left + 9, 20))
            alive.append(weakref.ref(frame))
            yield frame
            most = max(most, sum(each() is not None for each in alive))

    found = detector.detect(frames())
    expected = [detector(frame_with_white((48, 80), (n, 5, n + 9, 20))) for n in range(30)]
    assert all(equal(*pair) for pair in zip(found, expected, strict=True))
    assert most <= 2 * AT_ONCE


@pytest.mark.parametrize("frames", [np.zeros((48, 80, 3), np.uint8), None, 3])
def test_one_frame_is_not_several(detector: Detector, frames: Any) -> None:
    with pytest.raises(UsageError, match=r"must be several.*for one, call detector\(frame\)"):
        detector.detect(frames)


def test_a_detector_is_copied_to_another_process(
    white_finder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(white_finder.parent)
    session = SessionSettings(threads=1)
    detector = Detector(white_finder.name, score_threshold=0.3, session=session)
    content = pickle.dumps(detector)
    monkeypatch.chdir("/")
    copy = pickle.loads(content)
    assert copy.rule == detector.rule
    assert copy.session.settings == session
    frame = frame_with_white((48, 80), (10, 10, 40, 40))
    assert equal(copy(frame), detector(frame))
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert equal(pool.submit(detector, frame).result(), detector(frame))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("threads", [0, 1, 2])
@pytest.mark.parametrize("child", ["pass", "detector(frame)", "del detector", "cold(frame)"])
def test_a_detector_made_before_fork_works_in_the_child_which_ends(
    white_finder: Path, threads: int, child: str
) -> None:
    program = f"""
import os, sys, time
import numpy as np
from spotlet import Detector, SessionSettings
detector, cold = (Detector(sys.argv[1], session=SessionSettings(threads={threads})) for _ in "ab")
frame = np.full((48, 80, 3), 255, np.uint8)
expected = detector(frame).boxes_xyxy.tolist()
child = os.fork()
if child == 0:
    os.chdir("/")
    found = {child if "(" in child else "detector(frame)"}
    assert found.boxes_xyxy.tolist() == expected
    if {child!r} == "del detector":
        del detector
    sys.exit(7)
until = time.monotonic() + {PATIENCE_SECONDS}
while not (ended := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < until:
    time.sleep(0.01)
if not ended[0]:
    os.kill(child, 9)
assert detector(frame).boxes_xyxy.tolist() == expected
print(os.waitstatus_to_exitcode(ended[1]) if ended[0] else "hangs")
"""
    if child == "pass":
        program = program.replace("    found = detector(frame)\n", "").replace(
            "    assert found.boxes_xyxy.tolist() == expected\n", ""
        )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, white_finder.name],
        cwd=white_finder.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("7\n", "")


def test_a_frame_that_is_a_view_gives_what_its_copy_gives(detector: Detector) -> None:
    whole = frame_with_white((120, 200), (30, 40, 90, 100))
    whole[50:60, 40:50, 1] = 90
    for view in (
        whole[10:110, 20:150],
        whole[::-1],
        whole[:, ::-1],
        whole[..., ::-1],
        whole[::2, ::3],
        whole.transpose(1, 0, 2),
    ):
        assert not view.flags.c_contiguous
        assert len(detector(view)) == 1
        assert equal(detector(view), detector(view.copy()))


def test_a_frame_is_left_as_it_was(detector: Detector) -> None:
    frame = frame_with_white((60, 90), (1, 2, 30, 40))
    before = frame.copy()
    detector(frame)
    np.testing.assert_array_equal(frame, before)


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        (np.zeros((4, 4, 3), np.float32), "of type float32"),
        (np.zeros((4, 4, 3), np.int64), "of type int64"),
        ([[[0, 0, 0]]], "of type list"),
        (None, "None in place of a frame: cv2.imread returns it"),
        (np.zeros((4, 4), np.uint8), r"of shape \(4, 4\): must be \(H, W, 3\)"),
        (np.zeros((4, 4, 4), np.uint8), r"of shape \(4, 4, 4\): must be \(H, W, 3\)"),
        (np.zeros((4, 4, 1), np.uint8), r"of shape \(4, 4, 1\): must be \(H, W, 3\)"),
        (np.zeros((1, 4, 4, 3), np.uint8), r"of shape \(1, 4, 4, 3\): must be \(H, W, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), r"of shape \(0, 4, 3\): must be \(H, W, 3\)"),
    ],
)
def test_what_is_no_frame_is_an_error(detector: Detector, frame: ImageArray, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        detector(frame)


def test_thresholds_of_the_manifest_hold_unless_others_are_given(white_finder: Path) -> None:
    frame = frame_with_white((48, 80), (10, 10, 40, 40))
    assert Detector(white_finder).rule == MANIFEST.detection
    assert [one.name for one in Detector(white_finder)(frame)] == ["white"]
    assert len(Detector(white_finder, score_threshold=0.76)(frame)) == 0
    low = Detector(white_finder, score_threshold=0.125)
    assert [one.name for one in low(frame)] == ["white"]
    low = Detector(white_finder, score_threshold=0.125, every_class=True)
    assert [one.name for one in low(frame)] == ["white", "dark"]
    one_at_most = Detector(white_finder, score_threshold=0.125, max_detections=1)
    assert [one.name for one in one_at_most(frame)] == ["white"]


@pytest.mark.parametrize(
    ("settings_of", "what"),
    [
        ({"score_threshold": -0.1}, "score threshold -0.1"),
        ({"score_threshold": 1.5}, "score threshold 1.5"),
        ({"score_threshold": float("nan")}, "score threshold nan"),
        ({"iou_threshold": 0.0}, "IoU threshold 0.0"),
        ({"iou_threshold": 1.01}, "IoU threshold 1.01"),
        ({"max_detections": 0}, "max detections 0"),
    ],
)
def test_a_setting_out_of_its_range_is_an_error(
    white_finder: Path, settings_of: dict[str, float], what: str
) -> None:
    with pytest.raises(UsageError, match=what):
        Detector(white_finder, **settings_of)  # type: ignore[arg-type]


def test_a_detector_is_opened_by_file_and_by_package(white_finder: Path) -> None:
    assert Detector(white_finder.parent).manifest == Detector(str(white_finder)).manifest
    assert Detector(white_finder).class_names == ("dark", "white")


def test_a_model_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no such file, folder or bundled model"):
        Detector(tmp_path / "none.onnx")


def test_two_detectors_give_the_same(white_finder: Path, detector: Detector) -> None:
    frame = frame_with_white((333, 77), (3, 30, 60, 300))
    assert equal(Detector(white_finder)(frame), detector(frame))


class CountingSession(ModelSession):
    """A network that counts its inferences."""

    runs = 0

    def run(self, canvases: ImageArray) -> tuple[FloatArray, FloatArray]:
        self.runs += 1
        return super().run(canvases)


@pytest.fixture
def counting(white_finder: Path) -> tuple[Detector, CountingSession]:
    detector = Detector(white_finder)
    detector.session = session = CountingSession(white_finder)
    return detector, session


def test_a_frame_costs_one_inference_whatever_is_read_from_its_outputs(
    counting: tuple[Detector, CountingSession],
) -> None:
    detector, session = counting
    frame = frame_with_white((480, 800), (200, 120, 400, 360))
    outputs = detector.outputs(frame)
    assert session.runs == 1
    assert equal(detector.found_in(outputs), detector.candidates(outputs, 0.4))
    detector.found_in(outputs, replace(detector.rule, score_threshold=0.1, every_class=True))
    assert session.runs == 1
    detector.candidates(frame, 0.1)
    assert session.runs == 2
    detector(frame)
    assert session.runs == 3


def test_the_outputs_of_a_frame_are_those_of_its_canvas(detector: Detector) -> None:
    frame = frame_with_white((96, 40), (4, 5, 30, 90))
    outputs = detector.outputs(frame)
    assert outputs.letterbox == Letterbox((96, 40), CANVAS_HW)
    np.testing.assert_array_equal(outputs.canvas, outputs.letterbox.apply(frame))
    boxes, scores = detector.session.run(outputs.canvas[np.newaxis])
    np.testing.assert_array_equal(outputs.boxes, boxes[0])
    np.testing.assert_array_equal(outputs.scores, scores[0])
    assert equal(detector.found_in(outputs), detector(frame))


def test_another_canvas_may_take_the_place_of_the_letterboxed_frame(detector: Detector) -> None:
    frame = frame_with_white((480, 800), (0, 0, 100, 100))
    canvas = frame_with_white(CANVAS_HW, (20, 12, 40, 36))
    outputs = detector.outputs(frame, canvas=canvas)
    assert outputs.canvas is canvas
    (found,) = detector.found_in(outputs)
    np.testing.assert_allclose(found.box_xyxy, (200, 120, 400, 360), atol=1e-3)


def test_candidates_are_every_class_from_a_score_up(detector: Detector) -> None:
    frame = frame_with_white((48, 80), (10, 10, 40, 40))
    assert [one.name for one in detector(frame)] == ["white"]
    assert [one.name for one in detector.candidates(frame, 0.1)] == ["white", "dark"]
    assert [one.name for one in detector.candidates(frame, 0.125)] == ["white", "dark"]
    assert [one.name for one in detector.candidates(frame, 0.126)] == ["white"]
    assert len(detector.candidates(frame, 0.8)) == 0


def test_candidates_are_not_suppressed_and_not_more_than_the_best(detector: Detector) -> None:
    outputs = detector.outputs(frame_with_white((48, 80), (10, 10, 40, 40)))
    count = MAX_CANDIDATES + 5
    scores = np.linspace(0.2, 0.9, 2 * count, dtype=np.float32).reshape(count, 2)
    boxes = np.repeat(outputs.boxes, count, axis=0)
    found = detector.candidates(replace(outputs, boxes=boxes, scores=scores), 0.0)
    assert len(found) == MAX_CANDIDATES
    assert found.scores[0] == scores.max()
    assert len(detector.found_in(replace(outputs, boxes=boxes, scores=scores))) == 1


@pytest.mark.parametrize("score_threshold", [-0.1, 1.1, float("nan")])
def test_candidates_from_no_score_are_an_error(detector: Detector, score_threshold: float) -> None:
    frame = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(UsageError, match=r"score threshold .*: must be from 0 to 1"):
        detector.candidates(frame, score_threshold)
    with pytest.raises(UsageError, match="None in place of a frame"):
        detector.candidates(None, 0.5)
    with pytest.raises(UsageError, match="None in place of a frame"):
        detector.outputs(None)
