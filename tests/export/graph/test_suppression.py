"""The graph's suppression against the runtime's, and against the rule itself, pair by pair."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from spotlet.boxes import FloatArray
from spotlet.errors import GateError
from spotlet.letterbox import Letterbox
from spotlet.manifest import METADATA_KEY, DetectionRule, InputRule, Manifest
from spotlet.postprocess import LEAST_SCORE, MAX_CANDIDATES, detections_from_outputs
from spotlet_export.graph.suppression import with_suppression

NOISE = 2e-6
"""Of a corner, in [0, 1] of the canvas: float32 in hundreds of pixels, some roundings of it."""

Found = tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]


def cells_model(manifest: Manifest, batch: int | str = "N", opset: int = 18) -> onnx.ModelProto:
    """A graph whose cells are inputs, beside the image that it does not look at."""
    height, width = manifest.input.size_hw
    sides = {"image": [batch, height, width, 3], "boxes": [batch, "K", 4]}
    sides["scores"] = [batch, "K", len(manifest.classes)]
    graph = helper.make_graph(
        [
            helper.make_node("Identity", ["given_boxes"], ["boxes"]),
            # A name that the suppression wants for itself.
            helper.make_node("Add", ["given_scores", "count"], ["scores"]),
        ],
        "cells",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, sides["image"])]
        + [
            helper.make_tensor_value_info(f"given_{name}", TensorProto.FLOAT, sides[name])
            for name in ("boxes", "scores")
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, sides[name])
            for name in ("boxes", "scores")
        ],
        [numpy_helper.from_array(np.array(0, np.float32), "count")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
    return model


def manifest_of(
    classes: int, rule: DetectionRule, size_hw: tuple[int, int] = (320, 320)
) -> Manifest:
    names = tuple(f"class {n}" for n in range(classes))
    return Manifest(name="cells", classes=names, input=InputRule(size_hw=size_hw), detection=rule)


@cache
def session_of(
    classes: int, rule: DetectionRule, size_hw: tuple[int, int], batch: int | str, opset: int = 18
) -> ort.InferenceSession:
    model = with_suppression(cells_model(manifest_of(classes, rule, size_hw), batch, opset))
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options)


def in_graph(session: ort.InferenceSession, boxes: FloatArray, scores: FloatArray) -> list[Found]:
    """What the graph says of each frame; that the rest is zeros is looked at on the way."""
    frames, most = len(boxes), session.get_outputs()[1].shape[1]
    image = np.zeros((frames, *session.get_inputs()[0].shape[1:]), np.uint8)
    feeds = {"image": image, "given_boxes": boxes, "given_scores": scores}
    results: Any = session.run(None, feeds)
    found_boxes, found_scores, class_ids, count = results
    assert found_boxes.shape == (frames, most, 4)
    assert found_boxes.dtype == found_scores.dtype == np.float32
    assert found_scores.shape == class_ids.shape == (frames, most)
    assert class_ids.dtype == count.dtype == np.int64
    assert count.shape == (frames,)
    for n in range(frames):
        assert not found_boxes[n, count[n] :].any()
        assert not found_scores[n, count[n] :].any()
        assert not class_ids[n, count[n] :].any()
    return [
        (found_boxes[n, : count[n]], found_scores[n, : count[n]], class_ids[n, : count[n]])
        for n in range(frames)
    ]


def in_runtime(
    boxes: FloatArray, scores: FloatArray, rule: DetectionRule, size_hw: tuple[int, int]
) -> Found:
    names = tuple(f"class {n}" for n in range(scores.shape[1]))
    found = detections_from_outputs(boxes, scores, Letterbox(size_hw, size_hw), names, rule)
    return found.boxes_xyxy, found.scores, found.class_ids


def candidates_of(
    boxes: FloatArray, scores: FloatArray, rule: DetectionRule
) -> list[tuple[FloatArray, float, int]]:
    """Box, score and class of what enters suppression, best first: the rule, said slowly."""
    least = np.float32(max(rule.score_threshold, LEAST_SCORE))
    candidates = []
    for box, row in zip(boxes, scores, strict=True):
        x1, y1, x2, y2 = (min(max(side, 0.0), 1.0) for side in box.tolist())
        if np.isnan(box).any() or not (x1 < x2 and y1 < y2):
            continue
        classes = range(len(row)) if rule.every_class else [int(row.argmax())]
        for class_id in classes:
            if row[class_id] >= least:
                cut = np.array([x1, y1, x2, y2], np.float32)
                candidates.append((cut, float(row[class_id]), class_id))
    return sorted(candidates, key=lambda one: -one[1])[:MAX_CANDIDATES]


def overlaps(box: FloatArray, others: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The least and the greatest IoU that boxes may have whose corners are off by `NOISE`."""
    a, b = box.astype(np.float64), others.astype(np.float64)
    bounds = []
    for slack in (-2 * NOISE, 2 * NOISE):
        sides = np.minimum(a[2:], b[:, 2:]) - np.maximum(a[:2], b[:, :2]) + slack
        inter = np.maximum(sides, 0).prod(axis=1)
        areas = np.maximum(a[2:] - a[:2] - slack, 0).prod()
        areas = areas + np.maximum(b[:, 2:] - b[:, :2] - slack, 0).prod(axis=1)
        union = np.maximum(areas - inter, 1e-300)
        bounds.append(np.where(inter < union, inter / union, 1.0 if slack > 0 else 0.0))
    return bounds[0], np.minimum(bounds[1], 1.0)


def check_rule(boxes: FloatArray, scores: FloatArray, rule: DetectionRule, found: Found) -> bool:
    """Fails where what was found is not by the rule; returns whether noise decided an overlap."""
    left = list(zip(*found, strict=True))
    kept_boxes, kept_classes = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    tie = False
    for box, score, class_id in candidates_of(boxes, scores, rule):
        if len(kept_boxes) == rule.max_detections:
            break
        low, high = overlaps(box, kept_boxes[kept_classes == class_id])
        must_go, may_go = (low > rule.iou_threshold).any(), (high > rule.iou_threshold).any()
        tie |= bool(must_go != may_go)
        is_next = bool(left) and (
            (left[0][0] == box).all() and left[0][1] == score and left[0][2] == class_id
        )
        if is_next and not must_go:
            kept_boxes = np.concatenate([kept_boxes, box[None]])
            kept_classes = np.append(kept_classes, class_id)
            left.pop(0)
        else:
            assert may_go, f"{box} of class {class_id} at {score} was dropped by nothing"
    assert not left, "what was found is not a candidate, or a better one drops it"
    return tie


def some_boxes(rng: np.random.Generator, cells: int) -> FloatArray:
    centres = rng.uniform(0, 1, (max(cells // 8, 1), 2))[
        rng.integers(max(cells // 8, 1), size=cells)
    ]
    halves = rng.uniform(0.02, 0.2, (cells, 2))
    centres = centres + rng.normal(0, 0.02, (cells, 2))
    return np.concatenate([centres - halves, centres + halves], axis=1).astype(np.float32)


def some_scores(rng: np.random.Generator, cells: int, classes: int) -> FloatArray:
    return rng.beta(0.4, 1.2, (cells, classes)).astype(np.float32)


def frame_of(
    kind: str, rng: np.random.Generator, cells: int, classes: int, rule: DetectionRule
) -> tuple[FloatArray, FloatArray]:
    """Boxes (K, 4) and scores (K, C), ordinary or of one kind of trouble."""
    boxes, scores = some_boxes(rng, cells), some_scores(rng, cells, classes)
    some = rng.random(cells) < 0.4
    if kind == "nothing fires":
        scores *= np.float32(rule.score_threshold) * np.float32(0.99)
    elif kind == "zeros":
        scores[:] = 0
    elif kind == "equal boxes":
        boxes[:] = boxes[0].clip(0.2, 0.8) + np.array([0, 0, 0.1, 0.1], np.float32)
    elif kind == "equal scores":
        scores[:] = 0.75
    elif kind == "tied scores":
        scores = np.round(scores * 4) / np.float32(4)
    elif kind == "at the threshold":
        at = np.float32(max(rule.score_threshold, LEAST_SCORE))
        around = [at, np.nextafter(at, np.float32(0)), np.nextafter(at, np.float32(1))]
        scores = rng.choice(np.array(around, np.float32), (cells, classes))
    elif kind == "on a grid":
        corners = rng.integers(-1, 8, (cells, 2)) / 8
        boxes = np.hstack([corners, corners + rng.integers(0, 5, (cells, 2)) / 8])
    elif kind == "reversed":
        boxes[some] = boxes[some][:, [2, 1, 0, 3]]
    elif kind == "outside":
        boxes += rng.choice(np.array([-1.1, -0.5, 0, 0.5, 1.1], np.float32), (cells, 1))
    elif kind == "not finite":
        values = np.array([np.inf, -np.inf, np.nan, 1e38, -1e38], np.float32)
        boxes[some, rng.integers(0, 4, cells)[some]] = rng.choice(values, int(some.sum()))
    elif kind == "slivers":
        boxes[some, 2] = boxes[some, 0] + rng.choice(np.array([0, 1e-6, 1e-4]), int(some.sum()))
    elif kind == "softmax":
        scores = np.exp(8 * scores)
        scores /= scores.sum(axis=1, keepdims=True)
    else:
        assert kind == "ordinary"
    return boxes.astype(np.float32), scores.astype(np.float32)


KINDS = (
    "ordinary",
    "nothing fires",
    "zeros",
    "equal boxes",
    "equal scores",
    "tied scores",
    "at the threshold",
    "on a grid",
    "reversed",
    "outside",
    "not finite",
    "slivers",
    "softmax",
)


def rule_of(score: float, iou: float, most: int, every_class: bool = False) -> DetectionRule:
    return DetectionRule(
        score_threshold=score, iou_threshold=iou, max_detections=most, every_class=every_class
    )


CASES = (
    (1, 1, (320, 320), rule_of(0.3, 0.5, 20)),
    (1, 10, (224, 224), rule_of(0.4, 0.6, 300)),
    (60, 1, (320, 320), rule_of(0.1, 0.5, 300)),
    (60, 3, (160, 480), rule_of(0.0, 0.6, 100)),
    (60, 3, (96, 128), rule_of(0.3, 0.45, 5)),
    (40, 3, (96, 128), rule_of(0.25, 0.5, 300, every_class=True)),
    (80, 80, (640, 640), rule_of(0.4, 0.6, 300)),
    (40, 80, (640, 320), rule_of(0.001, 0.65, 100, every_class=True)),
    (90, 2, (320, 320), rule_of(0.05, 1.0, 50)),
    (90, 2, (320, 320), rule_of(1.0, 0.01, 1, every_class=True)),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} cells, {case[1]} classes")
def test_the_graph_finds_what_the_runtime_finds(
    case: tuple[int, int, tuple[int, int], DetectionRule],
) -> None:
    cells, classes, size_hw, rule = case
    session = session_of(classes, rule, size_hw, "N")
    rng = np.random.default_rng(cells * classes)
    scale = np.array([*size_hw[::-1], *size_hw[::-1]], np.float32)
    compared = ties = 0
    kinds = list(rng.permutation(np.array([kind for kind in KINDS for _ in range(4)])))
    while kinds:
        frames = 8 if len(kinds) % 3 == 0 else 1
        chosen, kinds = kinds[:frames], kinds[frames:]
        pairs = [frame_of(str(kind), rng, cells, classes, rule) for kind in chosen]
        boxes, scores = (np.stack(parts) for parts in zip(*pairs, strict=True))
        for kind, one_boxes, one_scores, got in zip(
            chosen, boxes, scores, in_graph(session, boxes, scores), strict=True
        ):
            tie = check_rule(one_boxes, one_scores, rule, got)
            want = in_runtime(one_boxes, one_scores, rule, size_hw)
            same = (
                np.array_equal(got[0] * scale, want[0])
                and np.array_equal(got[1], want[1])
                and np.array_equal(got[2], want[2])
            )
            assert same or tie, kind
            compared += 1
            ties += not same
    assert compared == 4 * len(KINDS)
    assert ties <= 2  # of frames on a grid, of slivers, of equal boxes


@pytest.mark.parametrize("every_class", [False, True])
def test_only_the_best_candidates_enter(every_class: bool) -> None:
    """What is beyond them must not be found, though nothing of what entered drops it."""
    rule = rule_of(0.2, 0.5, 4000, every_class)
    rng = np.random.default_rng(4)
    cells = MAX_CANDIDATES + 400
    corners = np.stack(np.divmod(np.arange(cells), 64), axis=1) / 64
    boxes = np.hstack([corners, corners + 1 / 128]).astype(np.float32)[None].repeat(2, axis=0)
    scores = rng.choice(np.array([0.3, 0.5, 0.75], np.float32), (2, cells, 2))
    for n, got in enumerate(in_graph(session_of(2, rule, (320, 320), "N"), boxes, scores)):
        want = in_runtime(boxes[n], scores[n], rule, (320, 320))
        assert len(got[1]) == MAX_CANDIDATES - (boxes[n, :, 2] > 1).sum() or every_class
        assert np.array_equal(got[0] * np.float32(320), want[0])
        assert np.array_equal(got[1], want[1])
        assert np.array_equal(got[2], want[2])


def test_a_machine_that_cuts_nan_to_a_number_finds_no_box_in_it() -> None:
    """onnxruntime's own processor code hands NaN on; shaders may take it for a border."""
    rule = rule_of(0.3, 0.5, 20)
    model = with_suppression(cells_model(manifest_of(1, rule)))
    nodes = model.graph.node
    at = next(n for n, node in enumerate(nodes) if node.op_type == "Clip")
    (cut,) = nodes[at].output
    nodes[at].output[0] = "cut"
    nodes.insert(at + 1, helper.make_node("IsNaN", ["cut"], ["is_nan"]))
    border = numpy_helper.from_array(np.array(0, np.float32), "border")
    model.graph.initializer.append(border)
    nodes.insert(at + 2, helper.make_node("Where", ["is_nan", "border", "cut"], [cut]))
    boxes = np.array([[[np.nan, 0.1, 0.5, 0.5], [0.6, 0.6, 0.9, 0.9]]], np.float32)
    scores = np.array([[[0.9], [0.8]]], np.float32)
    (got,) = in_graph(ort.InferenceSession(model.SerializeToString()), boxes, scores)
    assert got[1].tolist() == [np.float32(0.8)]


@pytest.mark.parametrize(("batch", "opset"), [(1, 18), ("N", 13), ("N", 20)])
def test_other_opsets_and_a_fixed_batch(batch: int | str, opset: int) -> None:
    rule = rule_of(0.3, 0.5, 20)
    session = session_of(3, rule, (96, 96), batch, opset)
    assert session.get_inputs()[0].shape[0] == batch
    assert session.get_outputs()[0].shape == [batch, 20, 4]
    boxes, scores = frame_of("ordinary", np.random.default_rng(0), 50, 3, rule)
    (got,) = in_graph(session, boxes[None], scores[None])
    want = in_runtime(boxes, scores, rule, (96, 96))
    assert len(got[1]) > 3
    assert np.array_equal(got[1], want[1])


def test_the_network_does_not_change_and_the_manifest_says_what_was_added() -> None:
    model = cells_model(manifest_of(3, rule_of(0.3, 0.5, 20)))
    before = model.SerializeToString()
    joined = with_suppression(model)
    assert model.SerializeToString() == before
    assert joined.ir_version == model.ir_version
    texts = {item.key: item.value for item in joined.metadata_props}
    manifest = Manifest.from_json(texts[METADATA_KEY])
    assert manifest.output.form == "detections"
    assert [item.name for item in joined.graph.output] == ["boxes", "scores", "class_ids", "count"]
    names = [name for node in joined.graph.node for name in node.output]
    assert len(set(names)) == len(names)


def old_opset(manifest: Manifest) -> onnx.ModelProto:
    return cells_model(manifest, opset=12)


def suppressed_before(manifest: Manifest) -> onnx.ModelProto:
    return with_suppression(cells_model(manifest))


@pytest.mark.parametrize(
    ("make", "message"), [(old_opset, "opset 12"), (suppressed_before, "has suppression already")]
)
def test_what_cannot_be_appended_to_is_refused(
    make: Callable[[Manifest], onnx.ModelProto], message: str
) -> None:
    with pytest.raises(GateError, match=message):
        with_suppression(make(manifest_of(3, rule_of(0.3, 0.5, 20))))
