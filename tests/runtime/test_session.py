"""Models of a few nodes: whatever the image, they give the same boxes and scores."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from spotlet.boxes import FloatArray
from spotlet.check.probe import synthetic_canvases
from spotlet.errors import ModelFileError, UsageError
from spotlet.letterbox import ImageArray
from spotlet.manifest import METADATA_KEY, InputRule, Manifest, OutputRule
from spotlet.model.opening import OPTIMISATIONS, session_options
from spotlet.model.providers import CPU_PROVIDER, full_provider_name
from spotlet.session import ModelSession, SessionSettings

SIZE_HW = (24, 40)
BOXES: FloatArray = np.array([[[0, 0, 0.5, 0.5], [0.25, 0.5, 1, 1]]], np.float32)
SCORES: FloatArray = np.array([[[0.9, 0.1, 0], [0.2, 0.6, 0.3]]], np.float32)
MANIFEST = Manifest(name="fixed", classes=("a", "b", "c"), input=InputRule(size_hw=SIZE_HW))


def write_model(
    path: Path,
    *,
    text: str | None = None,
    boxes: FloatArray = BOXES,
    scores: FloatArray = SCORES,
    batch: str | int = "N",
    input_type: int = TensorProto.UINT8,
    input_shape: tuple[str | int, ...] | None = None,
    greatest_batch: int = 8,
) -> Path:
    """Writes a model that repeats `boxes` and `scores` for each image of the batch.

    A batch beyond `greatest_batch` makes the graph fail.
    """
    nodes = [
        helper.make_node("Shape", ["image"], ["count"], start=0, end=1),
        helper.make_node("Gather", ["counts", "count"], ["known_count"]),
        helper.make_node("Concat", ["known_count", "ones"], ["repeat"], axis=0),
        helper.make_node("Expand", ["fixed_boxes", "repeat"], ["boxes"]),
        helper.make_node("Expand", ["fixed_scores", "repeat"], ["scores"]),
    ]
    constants: dict[str, npt.NDArray[Any]] = {
        "counts": np.arange(greatest_batch + 1),
        "ones": np.ones(2, np.int64),
        "fixed_boxes": boxes,
        "fixed_scores": scores,
    }
    outputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["N", *boxes.shape[1:]]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", *scores.shape[1:]]),
    ]
    shape = (batch, *SIZE_HW, 3) if input_shape is None else input_shape
    graph = helper.make_graph(
        nodes,
        "fixed",
        [helper.make_tensor_value_info("image", input_type, shape)],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    text = MANIFEST.to_json() if text is None else text
    if text:
        helper.set_model_props(model, {METADATA_KEY: text})
    onnx.save(model, path)
    return path


def canvases(count: int) -> ImageArray:
    return np.zeros((count, *SIZE_HW, 3), np.uint8)


@pytest.mark.parametrize("batch", ["N", 1])
@pytest.mark.parametrize("count", [1, 3])
def test_a_model_gives_its_two_tensors_for_any_batch(
    tmp_path: Path, batch: str | int, count: int
) -> None:
    session = ModelSession(write_model(tmp_path / "m.onnx", batch=batch))
    boxes, scores = session.run(canvases(count))
    np.testing.assert_array_equal(boxes, np.repeat(BOXES, count, axis=0))
    np.testing.assert_array_equal(scores, np.repeat(SCORES, count, axis=0))
    assert [array.dtype.name for array in (boxes, scores)] == ["float32"] * 2


def test_a_session_knows_its_manifest_path_and_provider(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx")
    session = ModelSession(path, SessionSettings(threads=1))
    assert (session.manifest, session.path, session.provider) == (MANIFEST, path, CPU_PROVIDER)


def test_the_outputs_are_read_by_the_names_of_the_manifest(tmp_path: Path) -> None:
    swapped = replace(MANIFEST, output=OutputRule(boxes="scores", scores="boxes"))
    four = np.zeros((1, 2, 4), np.float32)
    text = replace(swapped, classes=("a", "b", "c", "d")).to_json()
    session = ModelSession(write_model(tmp_path / "m.onnx", text=text, scores=four))
    boxes, scores = session.run(canvases(1))
    np.testing.assert_array_equal(boxes, four)
    np.testing.assert_array_equal(scores, BOXES)


def other(**changes: object) -> str:
    return replace(MANIFEST, **changes).to_json()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (other(input=InputRule(size_hw=(40, 24))), r"tensor 'image' is .* ending in \[40, 24, 3\]"),
        (other(input=InputRule(size_hw=SIZE_HW, name="x")), "'x', but the graph has no such"),
        (other(output=OutputRule(boxes="box")), "'box', but the graph has no such tensor"),
        (other(output=OutputRule(scores="boxes")), r"tensor 'boxes' is .* ending in \[3\]"),
        (other(classes=("a", "b")), r"tensor 'scores' is .* ending in \[2\]"),
        ("{", "not JSON"),
        ('{"schema": 99}', "newer than this spotlet reads"),
    ],
)
def test_a_manifest_that_does_not_fit_the_graph_is_an_error(
    tmp_path: Path, text: str, what: str
) -> None:
    path = write_model(tmp_path / "m.onnx", text=text)
    with pytest.raises(ModelFileError, match=what) as raised:
        ModelSession(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_a_model_without_a_manifest_says_what_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no spotlet manifest.*`spotlet export`"):
        ModelSession(write_model(tmp_path / "m.onnx", text=""))


def test_an_input_of_another_type_is_an_error(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", input_type=TensorProto.FLOAT)
    with pytest.raises(ModelFileError, match=r"is tensor\(float\) .* wants tensor\(uint8\)"):
        ModelSession(path)


@pytest.mark.parametrize("shape", [(*SIZE_HW, 3), ("N", 1, *SIZE_HW, 3)])
def test_an_input_of_another_number_of_axes_is_an_error(
    tmp_path: Path, shape: tuple[str | int, ...]
) -> None:
    path = write_model(tmp_path / "m.onnx", input_shape=shape)
    with pytest.raises(ModelFileError, match=r"of 4 axes|cannot load it"):
        ModelSession(path)


def test_a_batch_fixed_at_more_than_one_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="batch is fixed at 4"):
        ModelSession(write_model(tmp_path / "m.onnx", batch=4))


def test_a_graph_that_fails_when_it_runs_is_one_clear_line(tmp_path: Path) -> None:
    session = ModelSession(write_model(tmp_path / "m.onnx", greatest_batch=2))
    session.run(canvases(2))
    with pytest.raises(ModelFileError, match="onnxruntime cannot run it") as raised:
        session.run(canvases(3))
    assert "\n" not in str(raised.value)


def test_boxes_and_scores_that_do_not_belong_together_are_an_error(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", scores=np.zeros((1, 5, 3), np.float32))
    with pytest.raises(ModelFileError, match=r"returned boxes \(1, 2, 4\) and scores \(1, 5, 3\)"):
        ModelSession(path).run(canvases(1))


@pytest.mark.parametrize("content", [b"", b"this is no model", bytes(1000)])
def test_a_file_that_is_no_model_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as raised:
        ModelSession(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_a_truncated_model_is_an_error(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelFileError):
        ModelSession(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no such file"):
        ModelSession(tmp_path / "m.onnx")


def test_a_provider_that_is_not_there_falls_back_unless_it_is_strict(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx")
    assert ModelSession(path, SessionSettings(provider="Rknpu")).provider == CPU_PROVIDER
    with pytest.raises(UsageError, match="provider Rknpu: not in this onnxruntime"):
        ModelSession(path, SessionSettings(provider="Rknpu", strict_provider=True))


def test_a_negative_number_of_threads_is_an_error() -> None:
    with pytest.raises(UsageError, match="threads -1"):
        SessionSettings(threads=-1)


def test_an_unknown_optimisation_is_an_error() -> None:
    with pytest.raises(UsageError, match="optimisation much: must be one of none, basic, ext"):
        SessionSettings(optimisation="much")


@pytest.mark.parametrize(
    "settings",
    [
        SessionSettings(spinning=True, threads=2),
        SessionSettings(reduced_precision=True),
        *(SessionSettings(optimisation=each) for each in OPTIMISATIONS),
    ],
)
def test_no_setting_changes_what_a_model_gives(tmp_path: Path, settings: SessionSettings) -> None:
    session = ModelSession(write_model(tmp_path / "m.onnx"), settings)
    assert session.settings == settings
    boxes, scores = session.run(canvases(1))
    np.testing.assert_array_equal(boxes, BOXES)
    np.testing.assert_array_equal(scores, SCORES)


@pytest.mark.parametrize(
    ("settings", "spins", "stops"),
    [(SessionSettings(), "0", None), (SessionSettings(spinning=True), "1", "1")],
)
def test_threads_never_spin_between_inferences(
    settings: SessionSettings, spins: str, stops: str | None
) -> None:
    options = session_options(settings)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == spins
    if stops is not None:
        assert options.get_session_config_entry("session.force_spinning_stop") == stops


def test_a_provider_may_be_named_short_or_in_full() -> None:
    assert full_provider_name("cpu") == full_provider_name(CPU_PROVIDER) == CPU_PROVIDER
    with pytest.raises(UsageError, match=r"provider Abacus: unknown; .*CPU, CUDA"):
        full_provider_name("Abacus")


def test_synthetic_canvases_are_the_same_everywhere() -> None:
    black, white, noise, ramp, stripes = synthetic_canvases((32, 48))
    assert black.shape == (32, 48, 3)
    assert black.max() == 0
    assert white.min() == 255
    assert noise[0, 0].tolist() == [0, 158, 60]
    assert noise[31, 47].tolist() == [11, 170, 72]
    assert 120 < noise.mean() < 135
    assert ramp[5, [0, -1], 0].tolist() == [0, 255]
    assert np.all(np.diff(ramp[0, :, 1].astype(int)) > 0)
    assert stripes[3, [0, 7, 8, 15, 16], 2].tolist() == [0, 0, 255, 255, 0]


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 9), (9, 1)])
def test_synthetic_canvases_of_one_row_or_column_are_made(size_hw: tuple[int, int]) -> None:
    assert synthetic_canvases(size_hw).shape == (5, *size_hw, 3)


@pytest.mark.parametrize(("name", "side", "declared"), [("boxes", 5, 4), ("scores", 7, 3)])
def test_outputs_that_are_not_as_they_were_declared_end_the_run(
    tmp_path: Path, name: str, side: int, declared: int
) -> None:
    sides = {"boxes": 4, "scores": 3, name: 1}
    arrays = {each: np.ones((1, 2, last), np.float32) for each, last in sides.items()}
    model = onnx.load(write_model(tmp_path / "m.onnx", **arrays))  # type: ignore[arg-type]
    graph = model.graph
    # A side that follows from the picture, so that nobody knows it before.
    made = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.INT64),
        helper.make_node("ReduceMin", ["numbers"], ["dark"], keepdims=0),
        helper.make_node("Add", ["dark", "wide"], ["sides"]),
    ]
    graph.initializer.append(numpy_helper.from_array(np.array([1, 1, side]), "wide"))
    at = next(at for at, node in enumerate(graph.node) if node.output[0] == name)
    graph.node[at].input[1] = "sides"
    for node in reversed(made):
        graph.node.insert(at, node)
    output = next(each for each in graph.output if each.name == name)
    output.type.tensor_type.shape.dim[2].dim_value = declared
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(ModelFileError, match=r"must be \(N, K, 4\) and \(N, K, 3\)"):
        ModelSession(tmp_path / "m.onnx").run(canvases(1))


def test_more_scores_than_can_be_decoded_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = ModelSession(write_model(tmp_path / "m.onnx"))
    monkeypatch.setattr("spotlet.session.MOST_SCORES", 6)
    session.run(canvases(1))
    monkeypatch.setattr("spotlet.session.MOST_SCORES", 5)
    with pytest.raises(ModelFileError, match="returned 2 cells of 3 classes; must be at most 5"):
        session.run(canvases(1))


def test_a_text_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes().replace(b'"fixed"', b'"fix\xff\xfe"'))
    with pytest.raises(ModelFileError, match=r"m\.onnx: holds text that is not UTF-8"):
        ModelSession(path)
