import numpy as np
import onnx
import onnxruntime as ort
import pytest
from benchmarks.peers.contender import ContenderError
from benchmarks.peers.graphs import in_peer_layout, in_spotlet_layout

from spotlet.boxes import FloatArray
from spotlet.check.probe import synthetic_canvases
from spotlet.letterbox import ImageArray
from spotlet.manifest import DetectionRule
from spotlet.model import locate_model

MODELS = ("cells", "garments")


def run(model: onnx.ModelProto, image: ImageArray | FloatArray) -> list[FloatArray]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    results: list[FloatArray] = session.run(None, {session.get_inputs()[0].name: image})
    return results


def canvases_of(model: onnx.ModelProto) -> ImageArray:
    _, height, width, _ = [
        side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim
    ]
    return synthetic_canvases((height, width))


@pytest.mark.parametrize("name", MODELS)
def test_the_peer_layout_says_the_same_boxes_and_scores(name: str) -> None:
    model = onnx.load(locate_model(name))
    before = model.SerializeToString()
    rewritten = in_peer_layout(model)
    assert model.SerializeToString() == before
    for canvas in canvases_of(model):
        boxes, scores = run(model, canvas[np.newaxis])
        planes = canvas[..., ::-1].transpose(2, 0, 1)[np.newaxis].astype(np.float32) / 255
        (rows,) = run(rewritten, np.ascontiguousarray(planes))
        centres, sides, theirs = np.split(rows[0].T, [2, 4], axis=1)
        height, width = canvas.shape[:2]
        corners = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)
        assert np.abs(corners / [width, height, width, height] - boxes[0]).max() < 1e-5
        assert np.abs(theirs - scores[0]).max() < 1e-5


def test_the_peer_layout_names_classes_and_canvas() -> None:
    told = in_peer_layout(onnx.load(locate_model("cells"))).metadata_props
    content = {item.key: item.value for item in told}
    assert content["names"] == "{0: 'Platelets', 1: 'RBC', 2: 'WBC'}"
    assert content["imgsz"] == "[384, 384]"


@pytest.mark.parametrize("name", MODELS)
def test_back_in_spotlets_layout_it_is_the_same_network(name: str) -> None:
    model = onnx.load(locate_model(name))
    rule = DetectionRule(score_threshold=0.25, iou_threshold=0.7)
    back = in_spotlet_layout(in_peer_layout(model), name, rule)
    for canvas in canvases_of(model):
        for wanted, got in zip(
            run(model, canvas[np.newaxis]), run(back, canvas[np.newaxis]), strict=True
        ):
            assert np.abs(wanted - got).max() < 1e-5


def test_an_int8_graph_cannot_be_rewritten() -> None:
    with pytest.raises(ContenderError, match="must begin as"):
        in_peer_layout(onnx.load(locate_model("cells", "int8")))


def test_rows_that_do_not_fit_the_class_names_are_refused() -> None:
    model = in_peer_layout(onnx.load(locate_model("cells")))
    del model.metadata_props[:]
    with pytest.raises(ContenderError, match="7 rows for 0 classes"):
        in_spotlet_layout(model, "cells", DetectionRule())
