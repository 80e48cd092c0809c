from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spotlet.boxes import FloatArray
from spotlet.detections import Detections
from spotlet.letterbox import Letterbox
from spotlet.manifest import DetectionRule
from spotlet.postprocess import LEAST_SCORE, MAX_CANDIDATES, detections_from_outputs, suppress

Box = tuple[int, int, int, int]
Candidate = tuple[Box, float, int]

NAMES = ("cat", "dog", "owl")
RULE = DetectionRule(score_threshold=0.3, iou_threshold=0.5, max_detections=100, every_class=True)
SQUARE = Letterbox((100, 100), (100, 100))


def exact_iou(a: Box, b: Box) -> Fraction:
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return Fraction(width * height, sum(areas) - width * height)


def slow_suppress(candidates: list[Candidate], iou_threshold: float) -> list[int]:
    """Greedy suppression as the textbooks tell it, one pair at a time."""
    kept: list[int] = []
    for index in sorted(range(len(candidates)), key=lambda n: -candidates[n][1]):
        box, _, class_id = candidates[index]
        rivals = [candidates[n][0] for n in kept if candidates[n][2] == class_id]
        if all(exact_iou(box, rival) <= iou_threshold for rival in rivals):
            kept.append(index)
    return kept


def arrays_of(
    candidates: list[Candidate],
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
    return (
        np.array([box for box, _, _ in candidates], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in candidates], np.float32),
        np.array([class_id for _, _, class_id in candidates], np.int64),
    )


corners = st.tuples(st.integers(-12, 12), st.integers(-12, 12))
sides = st.tuples(st.integers(1, 12), st.integers(1, 12))
boxes = st.builds(lambda at, size: (*at, at[0] + size[0], at[1] + size[1]), corners, sides)
# Few values, so that ties and equal boxes are frequent.
candidate_lists = st.lists(
    st.tuples(boxes, st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.integers(0, 2)), max_size=12
)


@settings(max_examples=200)
@given(candidate_lists, st.sampled_from([0.1, 0.3, 0.45, 0.6, 0.9, 1.0]))
def test_suppression_agrees_with_the_textbook(
    candidates: list[Candidate], iou_threshold: float
) -> None:
    for one in candidates:
        # At the threshold itself floating point may fall to either side.
        gaps = (abs(exact_iou(one[0], other[0]) - iou_threshold) for other in candidates)
        assume(iou_threshold == 1 or min(gaps) > 1e-6)
    kept = suppress(*arrays_of(candidates), iou_threshold)
    assert kept.dtype == np.int64
    assert kept.tolist() == slow_suppress(candidates, iou_threshold)


def test_an_overlap_equal_to_the_threshold_is_kept() -> None:
    candidates: list[Candidate] = [((0, 0, 2, 1), 0.9, 0), ((0, 0, 1, 1), 0.8, 0)]
    assert suppress(*arrays_of(candidates), 0.5).tolist() == [0, 1]
    assert suppress(*arrays_of(candidates), 0.49).tolist() == [0]


def test_of_equal_boxes_with_equal_scores_the_first_is_kept() -> None:
    candidates: list[Candidate] = [((0, 0, 4, 4), 0.5, 1)] * 3
    assert suppress(*arrays_of(candidates), 0.5).tolist() == [0]


def test_equal_scores_keep_their_order() -> None:
    candidates: list[Candidate] = [((10 * n, 0, 10 * n + 5, 5), 0.5, n % 2) for n in range(20)]
    assert suppress(*arrays_of(candidates), 0.5).tolist() == list(range(20))


def test_classes_do_not_meet_even_at_negative_coordinates() -> None:
    candidates: list[Candidate] = [((0, 0, 10, 10), 0.9, 0), ((-11, -11, -1, -1), 0.8, 1)]
    assert suppress(*arrays_of(candidates), 0.1).tolist() == [0, 1]


def test_classes_do_not_meet_among_a_thousand_of_them_on_a_large_canvas() -> None:
    boxes_xyxy = np.tile(np.array([[8000, 8000, 8001.5, 8001.5]], np.float32), (2000, 1))
    boxes_xyxy[1000:] += 1.5
    class_ids = np.tile(np.arange(1000), 2)
    kept = suppress(boxes_xyxy, np.full(2000, 0.5, np.float32), class_ids, 0.1)
    assert len(kept) == 2000


def test_nothing_gives_nothing() -> None:
    assert suppress(*arrays_of([]), 0.5).tolist() == []
    found = found_in([], [])
    assert (len(found), found.boxes_xyxy.shape, found.class_names) == (0, (0, 4), NAMES)


def found_in(
    boxes_unit: list[list[float]],
    scores: list[list[float]],
    letterbox: Letterbox = SQUARE,
    rule: DetectionRule = RULE,
) -> Detections:
    return detections_from_outputs(
        np.array(boxes_unit, np.float32).reshape(-1, 4),
        np.array(scores, np.float32).reshape(-1, len(NAMES)),
        letterbox,
        NAMES,
        rule,
    )


def test_boxes_come_in_pixels_of_the_frame_best_first() -> None:
    letterbox = Letterbox((50, 100), (32, 64))
    found = found_in([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]], [[0.4, 0, 0], [0, 0, 0.9]], letterbox)
    assert found.boxes_xyxy.tolist() == [[50, 25, 100, 50], [0, 0, 50, 25]]
    np.testing.assert_allclose(found.scores, [0.9, 0.4])
    assert [one.name for one in found] == ["owl", "cat"]
    dtypes = [array.dtype.name for array in (found.boxes_xyxy, found.scores, found.class_ids)]
    assert dtypes == ["float32", "float32", "int64"]


def test_a_score_equal_to_the_threshold_is_kept() -> None:
    scores = np.array([[0.3, 0.29999, 0.30001]], np.float32)
    rule = replace(RULE, score_threshold=float(scores[0, 0]))
    assert found_in([[0, 0, 1, 1]], scores.tolist(), rule=rule).class_ids.tolist() == [2, 0]


def test_a_threshold_of_zero_still_wants_a_score() -> None:
    rule = replace(RULE, score_threshold=0.0)
    assert found_in([[0, 0, 1, 1]], [[0, 0.001, 0]], rule=rule).class_ids.tolist() == [1]


def test_of_a_cell_only_the_best_class_is_a_candidate_unless_every_one_is_asked_for() -> None:
    boxes = [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.2, 0.2]]
    scores = [[0.5, 0.7, 0.6], [0.2, 0.1, 0.4]]
    best = found_in(boxes, scores, rule=replace(RULE, every_class=False))
    assert best.class_ids.tolist() == [1, 2]
    np.testing.assert_allclose(best.scores, [0.7, 0.4])
    every = found_in(boxes, scores)
    assert every.class_ids.tolist() == [1, 2, 0, 2]


def test_every_class_of_a_cell_is_a_candidate() -> None:
    found = found_in([[0, 0, 1, 1], [0, 0, 1, 0.9]], [[0.5, 0.7, 0], [0.9, 0.6, 0]])
    assert list(zip(found.class_ids.tolist(), found.scores.tolist(), strict=True)) == [
        (0, pytest.approx(0.9)),
        (1, pytest.approx(0.7)),
    ]


def test_the_best_are_kept_when_there_are_too_many() -> None:
    many = [[n / 10, 0, n / 10 + 0.05, 0.1] for n in range(10)]
    scores = [[0.31 + n / 100, 0, 0] for n in range(10)]
    found = found_in(many, scores, rule=replace(RULE, max_detections=3))
    np.testing.assert_allclose(found.scores, [0.40, 0.39, 0.38], rtol=1e-6)


def test_a_box_in_the_border_of_the_canvas_is_none_and_takes_no_place() -> None:
    letterbox = Letterbox((50, 100), (100, 100))
    boxes_unit = [[0, 0, 1, 0.2], [0, 0.5, 1, 0.7]]
    rule = replace(RULE, max_detections=1)
    found = found_in(boxes_unit, [[0.9, 0, 0], [0.5, 0, 0]], letterbox, rule)
    np.testing.assert_allclose(found.boxes_xyxy, [[0, 25, 100, 45]], atol=1e-4)


@pytest.mark.parametrize(
    "bad",
    [
        [0.6, 0.2, 0.3, 0.8],
        [0.2, 0.8, 0.6, 0.3],
        [0.5, 0.5, 0.5, 0.5],
        [float("nan"), 0, 1, 1],
        [0, 0, 1, float("nan")],
        [float("inf"), 0, float("inf"), 1],
        [1.5, 0, 2, 1],
    ],
)
def test_a_box_that_is_none_does_not_suppress_a_good_one(bad: list[float]) -> None:
    good = [0.1, 0.1, 0.2, 0.2]
    found = found_in([bad, good], [[0.9, 0, 0], [0.5, 0, 0]])
    np.testing.assert_allclose(found.boxes_xyxy, [[10, 10, 20, 20]], atol=1e-4)


def test_a_box_over_the_border_of_the_canvas_is_cut_there() -> None:
    found = found_in([[-3, 0.5, 1e30, float("inf")]], [[0.9, 0, 0]])
    assert found.boxes_xyxy.tolist() == [[0, 50, 100, 100]]


def test_a_box_of_a_size_beyond_reason_does_not_blur_those_of_other_classes() -> None:
    boxes_unit = [[0, 0, 1e30, 1], [0.1, 0.1, 0.2, 0.2], [0.5, 0.5, 0.6, 0.6]]
    found = found_in(boxes_unit, [[0.9, 0, 0], [0, 0.5, 0], [0, 0.4, 0]])
    assert found.class_ids.tolist() == [0, 1, 1]


def test_a_score_that_is_not_a_number_is_no_detection() -> None:
    assert len(found_in([[0, 0, 1, 1]], [[float("nan")] * 3])) == 0


def test_when_every_cell_fires_the_best_candidates_enter() -> None:
    rng = np.random.default_rng(0)
    count = MAX_CANDIDATES + 500
    at = rng.uniform(0, 0.9, (count, 2)).astype(np.float32)
    boxes_unit = np.concatenate([at, at + np.float32(0.001)], axis=1)
    scores = np.zeros((count, 3), np.float32)
    scores[:, 1] = rng.permutation(np.linspace(0.4, 0.9, count))
    rule = replace(RULE, max_detections=10_000, iou_threshold=1.0)
    found = detections_from_outputs(boxes_unit, scores, SQUARE, NAMES, rule)
    np.testing.assert_array_equal(found.scores, np.sort(scores[:, 1])[::-1][:MAX_CANDIDATES])


def test_of_equal_candidates_at_the_bound_the_first_cells_enter() -> None:
    count = MAX_CANDIDATES + 500
    at = (np.arange(count) / count).astype(np.float32)
    boxes_unit = np.stack([at, 0 * at, at + np.float32(0.5 / count), 0 * at + 1], axis=1)
    scores = np.full((count, 3), (0, 0.5, 0), np.float32)
    scores[-100:, 1] = 0.75
    found = detections_from_outputs(
        boxes_unit, scores, SQUARE, NAMES, replace(RULE, max_detections=10_000)
    )
    want = [*range(count - 100, count), *range(MAX_CANDIDATES - 100)]
    np.testing.assert_array_equal((found.boxes_xyxy[:, 0] * count / 100).round().astype(int), want)


def test_equal_candidates_beyond_the_bound_keep_the_order_of_the_cells() -> None:
    count = MAX_CANDIDATES + 500
    at = (np.arange(count) / count).astype(np.float32)
    boxes_unit = np.stack([at, 0 * at, at + np.float32(0.5 / count), 0 * at + 1], axis=1)
    scores = np.full((count, 3), (0, 0.5, 0), np.float32)
    rule = replace(RULE, max_detections=10_000)
    found = detections_from_outputs(boxes_unit, scores, SQUARE, NAMES, rule)
    assert len(found) == MAX_CANDIDATES
    assert np.all(np.diff(found.boxes_xyxy[:, 0]) > 0)


@settings(max_examples=50)
@given(candidate_lists)
def test_the_same_outputs_give_the_same_detections_and_are_left_alone(
    candidates: list[Candidate],
) -> None:
    boxes_xyxy, scores, class_ids = arrays_of(candidates)
    boxes_unit, by_class = (boxes_xyxy + 12) / 24, scores[:, None] * (np.eye(3)[class_ids] > 0)
    outputs = boxes_unit.astype(np.float32), by_class.astype(np.float32)
    copies = outputs[0].copy(), outputs[1].copy()
    first, second = (detections_from_outputs(*outputs, SQUARE, NAMES, RULE) for _ in range(2))
    for field in ("boxes_xyxy", "scores", "class_ids"):
        np.testing.assert_array_equal(getattr(first, field), getattr(second, field))
    np.testing.assert_array_equal(outputs[0], copies[0])
    np.testing.assert_array_equal(outputs[1], copies[1])
    assert np.all(np.diff(first.scores) <= 0)


def plain_detections(
    boxes: FloatArray, scores: FloatArray, letterbox: Letterbox, rule: DetectionRule
) -> Detections:
    """Decides for every cell first, and only then for those that fire: slow, and easy to follow."""
    boxes = np.clip(boxes, 0.0, 1.0)
    has_area = np.all(boxes[:, 2:] > boxes[:, :2], axis=1)
    fires = (scores >= max(rule.score_threshold, LEAST_SCORE)) & has_area[:, None]
    if rule.every_class:
        cells, class_ids = np.nonzero(fires)
    else:
        cells = np.flatnonzero(fires.any(axis=1))
        class_ids = scores[cells].argmax(axis=1)
    if len(cells) == 0:
        return Detections.none(NAMES)
    kept_scores = scores[cells, class_ids]
    if len(cells) > MAX_CANDIDATES:
        best = np.sort(np.argpartition(-kept_scores, MAX_CANDIDATES)[:MAX_CANDIDATES])
        cells, class_ids, kept_scores = cells[best], class_ids[best], kept_scores[best]
    height, width = letterbox.canvas_hw
    on_canvas = boxes[cells] * np.array([width, height, width, height], np.float32)
    order = np.argsort(-kept_scores, kind="stable")
    moved = on_canvas - on_canvas.min()
    boxes_xywh = np.concatenate([moved[:, :2], moved[:, 2:] - moved[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxesBatched(
        boxes_xywh[order].astype(np.float64).tolist(),
        kept_scores[order].tolist(),
        class_ids[order].tolist(),
        -1.0,
        rule.iou_threshold,
    )
    chosen = order[np.sort(np.asarray(kept, np.int64).ravel())]
    in_frame = letterbox.to_frame(on_canvas[chosen])
    found = Detections(in_frame, kept_scores[chosen], class_ids[chosen], NAMES)
    on_frame = np.all(in_frame[:, 2:] > in_frame[:, :2], axis=1)
    return found.select(np.flatnonzero(on_frame)[: rule.max_detections])


def random_outputs(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Returns boxes and scores with ties, empty and broken boxes, and values that are none."""
    cells = int(rng.choice([1, 5, 60, 900]))
    at, size = rng.uniform(-0.2, 1, (cells, 2)), rng.uniform(-0.05, 0.5, (cells, 2))
    boxes_unit = np.concatenate([at, at + size], axis=1).astype(np.float32)
    scores = rng.choice([0, 0.1, 0.3, 0.30001, 0.7, 0.9], (cells, len(NAMES))).astype(np.float32)
    scores[rng.random(scores.shape) < rng.choice([0, 0.5, 0.99, 1])] = 0
    if rng.random() < 0.5:
        scores += rng.random(scores.shape, np.float32) * np.float32(0.05)
    odd = np.array([np.nan, np.inf, -np.inf, 1e30, 0.0], np.float32)
    for array in (boxes_unit, scores):
        broken = rng.random(array.shape) < rng.choice([0, 0, 0.1])
        array[broken] = rng.choice(odd, int(broken.sum()))
    doubled = rng.random(cells) < 0.2
    boxes_unit[doubled], scores[doubled] = boxes_unit[0], scores[0]
    return boxes_unit, scores.astype(np.float32)


@pytest.mark.parametrize("every_class", [False, True])
def test_to_look_at_candidates_alone_changes_nothing(every_class: bool) -> None:
    rng = np.random.default_rng(7)
    objects = 0
    for _ in range(400):
        outputs = random_outputs(rng)
        frame_hw = (int(rng.integers(1, 900)), int(rng.integers(1, 900)))
        letterbox = Letterbox(frame_hw, (int(rng.integers(8, 400)), int(rng.integers(8, 400))))
        rule = DetectionRule(
            score_threshold=float(rng.choice([0.0, 0.3, 0.8])),
            iou_threshold=float(rng.choice([0.3, 0.6, 1.0])),
            max_detections=int(rng.choice([1, 10, 5000])),
            every_class=every_class,
        )
        found = detections_from_outputs(*outputs, letterbox, NAMES, rule)
        expected = plain_detections(*outputs, letterbox, rule)
        for field in ("boxes_xyxy", "scores", "class_ids"):
            ours, theirs = getattr(found, field), getattr(expected, field)
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)
        objects += len(found)
    assert objects > 4000
