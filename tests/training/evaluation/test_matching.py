import numpy as np
import numpy.typing as npt
import pytest

from spotlet.detections import Detections
from spotlet.evaluation import RECALLS, Truth
from spotlet_training.evaluation.curves import precision_curves
from spotlet_training.evaluation.matching import (
    IGNORED_OBJECT,
    NO_OBJECT,
    Reason,
    judge,
    match_objects,
)

NAMES = ("cat", "dog", "cow")
Box = tuple[float, float, float, float]
A: Box = (0, 0, 100, 100)
NEAR_A: Box = (10, 0, 110, 100)  # IoU 90 / 110
OFF_A: Box = (60, 0, 160, 100)  # IoU 40 / 160
B: Box = (300, 300, 400, 400)


def _truth(*objects: tuple[int, Box], ignored: tuple[int, ...] = ()) -> Truth:
    marks = np.zeros(len(objects), np.bool_)
    marks[list(ignored)] = True
    boxes = np.array([box for _, box in objects], np.float32).reshape(-1, 4)
    return Truth(boxes, np.array([each for each, _ in objects], np.int64), marks)


def _found(*boxes: tuple[int, float, Box]) -> Detections:
    return Detections(
        np.array([box for _, _, box in boxes], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in boxes], np.float32),
        np.array([class_id for class_id, _, _ in boxes], np.int64),
        NAMES,
    )


def test_the_better_score_takes_the_object_whatever_the_order() -> None:
    found = _found((0, 0.5, A), (0, 0.9, NEAR_A))
    assert match_objects(_truth((0, A)), found).tolist() == [NO_OBJECT, 0]


def test_a_detection_takes_the_object_that_it_overlaps_most() -> None:
    assert match_objects(_truth((0, NEAR_A), (0, A)), _found((0, 0.9, A))).tolist() == [1]


def test_an_ignored_object_takes_what_lies_in_it_and_as_often_as_it_is_found() -> None:
    inside: Box = (0, 0, 20, 20)
    found = _found((0, 0.9, inside), (0, 0.8, inside), (1, 0.7, inside))
    matched = match_objects(_truth((0, A), ignored=(0,)), found)
    assert matched.tolist() == [IGNORED_OBJECT, IGNORED_OBJECT, NO_OBJECT]


@pytest.mark.parametrize("iou", [0.33, 0.5, 0.75])
@pytest.mark.parametrize("seed", range(5))
def test_matches_give_the_precision_of_the_coco_evaluator(seed: int, iou: float) -> None:
    truths, found = _chance(np.random.default_rng(seed))
    wanted = precision_curves(truths, found, NAMES, iou)
    for class_id in range(len(NAMES)):
        own = _precision_by_recall(truths, found, class_id, iou)
        assert own == pytest.approx(wanted.precision[class_id], abs=1e-9)
    assert 0.1 < (wanted.ap or 0) < 0.9


def _chance(rng: np.random.Generator) -> tuple[list[Truth], list[Detections]]:
    """Returns 30 crowded frames, and detections of which some are near objects."""
    truths, found = [], []
    for _ in range(30):
        corners = rng.uniform(0, 200, (12, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(20, 90, (12, 2))], axis=1)
        class_ids = rng.integers(0, len(NAMES), 12)
        truth = Truth(boxes.astype(np.float32), class_ids, rng.random(12) < 0.15)
        near = np.tile(boxes, (2, 1)) + rng.normal(0, 5, (24, 4))
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        guessed = np.where(rng.random(24) < 0.7, np.tile(class_ids, 2), rng.integers(0, 3, 24))
        scores = np.sort(rng.random(24).astype(np.float32))[::-1]
        truths.append(truth)
        found.append(Detections(near.astype(np.float32), scores, guessed, NAMES))
    return truths, found


def _precision_by_recall(
    truths: list[Truth], found: list[Detections], class_id: int, iou: float
) -> npt.NDArray[np.float64]:
    """Returns the protocol's curve, the obvious way."""
    rows: list[tuple[float, bool]] = []
    for truth, detections in zip(truths, found, strict=True):
        matched = match_objects(truth, detections, iou)
        for each, of in zip(detections, matched.tolist(), strict=True):
            if each.class_id == class_id and of != IGNORED_OBJECT:
                rows.append((each.score, of >= 0))
    rows.sort(key=lambda row: -row[0])
    objects = sum(int(np.sum((t.class_ids == class_id) & ~t.ignored)) for t in truths)
    right = np.cumsum([is_right for _, is_right in rows])
    recall, precision = right / objects, right / np.arange(1, len(rows) + 1)
    return np.array([precision[recall >= wanted].max(initial=0) for wanted in RECALLS], np.float64)


@pytest.mark.parametrize(
    ("found", "reasons", "missed"),
    [
        ([(0, 0.9, NEAR_A)], [Reason.FOUND], False),
        ([(1, 0.9, NEAR_A)], [Reason.WRONG_CLASS], False),
        ([(0, 0.9, OFF_A)], [Reason.BAD_BOX], False),
        ([(1, 0.9, OFF_A)], [Reason.FALSE], True),
        ([(0, 0.9, B)], [Reason.FALSE], True),
        ([(0, 0.9, A), (0, 0.8, NEAR_A)], [Reason.FOUND, Reason.TWICE], False),
        ([(1, 0.9, A), (0, 0.8, NEAR_A)], [Reason.TWICE, Reason.FOUND], False),
        ([(1, 0.9, A), (2, 0.8, NEAR_A)], [Reason.WRONG_CLASS, Reason.TWICE], False),
        ([], [], True),
    ],
)
def test_each_kind_of_mistake_has_its_name(
    found: list[tuple[int, float, Box]], reasons: list[Reason], missed: bool
) -> None:
    judgement = judge(_truth((0, A)), _found(*found))
    assert list(judgement.reasons) == reasons
    assert judgement.missed.tolist() == [missed]
    right = (Reason.FOUND, Reason.IGNORED)
    assert judgement.mistakes == sum(each not in right for each in reasons) + missed


def test_ignored_objects_are_neither_missed_nor_mistaken() -> None:
    judgement = judge(_truth((0, A), ignored=(0,)), _found((0, 0.9, A)))
    assert judgement.reasons == (Reason.IGNORED,)
    assert not judgement.missed.any()
    assert judgement.mistakes == 0
    assert judge(_truth((0, A), ignored=(0,)), _found((1, 0.9, A))).reasons == (Reason.FALSE,)


def test_a_judgement_names_the_object_and_the_overlap() -> None:
    judgement = judge(_truth((0, B), (0, A)), _found((0, 0.9, OFF_A), (1, 0.8, B)))
    assert judgement.objects.tolist() == [1, 0]
    assert judgement.overlaps.tolist() == pytest.approx([0.25, 1])
