"""Evaluation where labels are not complete, against LVIS' rules."""

from dataclasses import replace

import numpy as np
import pytest

from spotlet.detections import Detections
from spotlet.evaluation import Truth, average_precision, protocol_precision
from spotlet_training.datasets import Sample
from spotlet_training.evaluation.evaluation import truth_of
from spotlet_training.evaluation.matching import Reason, judge
from spotlet_training.evaluation.operating_point import threshold_curves

NAMES = ("cat", "dog")
CAT, DOG = 0, 1
A, B, C = ((at, 0.0, at + 40.0, 40.0) for at in (0.0, 100.0, 200.0))
Box = tuple[float, float, float, float]


def a_truth(*objects: tuple[int, Box], unknown: tuple[int, ...] = ()) -> Truth:
    return Truth(
        np.array([box for _, box in objects], np.float32).reshape(-1, 4),
        np.array([class_id for class_id, _ in objects], np.int64),
        np.zeros(len(objects), np.bool_),
        unknown,
    )


def detections(*boxes: tuple[int, float, Box]) -> Detections:
    return Detections(
        np.array([box for _, _, box in boxes], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in boxes], np.float32),
        np.array([class_id for class_id, _, _ in boxes], np.int64),
        NAMES,
    )


# A cat that is found, a better scored cat that is not marked, and a dog likewise.
FOUND = detections((CAT, 0.6, A), (CAT, 0.9, B), (DOG, 0.8, C))


@pytest.mark.parametrize(
    ("unknown", "ap50", "reasons"),
    [
        ((), 0.5, [Reason.FOUND, Reason.FALSE, Reason.FALSE]),
        ((DOG,), 0.5, [Reason.FOUND, Reason.FALSE, Reason.IGNORED]),
        ((CAT,), 1.0, [Reason.FOUND, Reason.IGNORED, Reason.FALSE]),
    ],
)
def test_a_detection_of_an_unknown_class_is_right_if_it_finds_an_object_else_it_does_not_count(
    unknown: tuple[int, ...], ap50: float, reasons: list[Reason]
) -> None:
    truth = a_truth((CAT, A), unknown=unknown)
    accuracy = average_precision([truth], [FOUND], NAMES)
    assert accuracy.per_class_ap50["cat"] == pytest.approx(ap50)
    judged = judge(truth, FOUND)
    assert list(judged.reasons) == reasons
    assert not judged.missed.any()
    curves = threshold_curves([truth], [FOUND], 2, np.array([0.5]))
    wrong = [sum(reasons[n] is Reason.FALSE for n in own) for own in ((0, 1), (2,))]
    assert (curves.drawn - curves.right).tolist() == [wrong]
    assert curves.right.tolist() == [[1, 0]]


def test_a_missed_object_counts_even_of_an_unknown_class() -> None:
    truth = a_truth((CAT, A), (CAT, (300, 0, 340, 40)), unknown=(CAT,))
    accuracy = average_precision([truth], [FOUND], NAMES)
    assert accuracy.per_class_ap50["cat"] == pytest.approx(51 / 101)
    assert judge(truth, FOUND).missed.tolist() == [False, True]


def test_a_class_that_is_unknown_everywhere_and_nowhere_marked_has_no_figure() -> None:
    truth = a_truth((CAT, A), unknown=(DOG,))
    accuracy = average_precision([truth, truth], [FOUND, FOUND], NAMES)
    assert accuracy.per_class_ap["dog"] is None
    assert accuracy.rows()[1] == ("dog", "-", "-")
    assert accuracy.ap == accuracy.per_class_ap["cat"]


def test_what_is_unknown_in_a_sample_is_unknown_in_its_truth() -> None:
    sample = Sample(
        np.zeros((40, 40, 3), np.uint8),
        np.array([A], np.float32),
        np.array([CAT], np.int64),
        np.zeros(1, np.bool_),
        "one",
        (DOG,),
    )
    assert truth_of(sample).unknown_ids == (DOG,)
    assert len(truth_of(sample).boxes_xyxy) == 1


@pytest.mark.parametrize("seed", range(4))
def test_precision_is_that_of_an_evaluator_of_lvis(seed: int) -> None:
    evaluators = pytest.importorskip("faster_coco_eval")
    rng = np.random.default_rng(seed)
    truths, found = [], []
    for _ in range(25):
        corners = rng.uniform(0, 200, (8, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(20, 120, (8, 2))], axis=1)
        class_ids = rng.integers(0, 2, 8)
        marked = rng.random(8) < 0.6
        guessed = np.where(rng.random(16) < 0.8, np.tile(class_ids, 2), rng.integers(0, 2, 16))
        near = np.tile(boxes, (2, 1)) + rng.normal(0, 4, (16, 4))
        unknown = tuple(np.flatnonzero(rng.random(2) < 0.5).tolist())
        truths.append(
            Truth(
                boxes[marked].astype(np.float32), class_ids[marked], np.zeros(marked.sum(), bool),
                unknown,
            )
        )  # fmt: skip
        scores = (rng.permutation(16) / 16).astype(np.float32)
        found.append(Detections(near.astype(np.float32), scores, guessed, NAMES))
    own = protocol_precision(truths, found, 2)
    plain = protocol_precision([replace(each, unknown_ids=()) for each in truths], found, 2)
    assert np.abs(own - plain).max() > 0.05

    images, rows, results = [], [], []
    for number, (truth, each) in enumerate(zip(truths, found, strict=True), start=1):
        there = set(truth.class_ids.tolist())
        absent = sorted({0, 1} - there - set(truth.unknown_ids))
        more = sorted(there & set(truth.unknown_ids))
        images.append(
            {"id": number, "neg_category_ids": absent, "not_exhaustive_category_ids": more}
        )
        rows += [
            {"image_id": number, "category_id": class_id, "iscrowd": 0, **sides(box)}
            for class_id, box in zip(truth.class_ids.tolist(), truth.boxes_xyxy, strict=True)
        ]
        results += [
            {"image_id": number, "category_id": one.class_id, "score": one.score, **sides(box)}
            for one, box in zip(each, each.boxes_xyxy, strict=True)
        ]
    for table in (rows, results):
        for identity, row in enumerate(table, start=1):
            row["id"] = identity
    categories = [{"id": n, "name": str(n), "frequency": "f"} for n in range(2)]
    tables = {"images": images, "categories": categories}

    def discard(*_: object) -> None:
        pass

    truth_index, found_index = (
        evaluators.COCO({**tables, "annotations": table}, print_function=discard)
        for table in (rows, results)
    )
    evaluation = evaluators.COCOeval_faster(
        truth_index, found_index, "bbox", print_function=discard, lvis_style=True
    )
    evaluation.evaluate()
    evaluation.accumulate()
    reference = np.asarray(evaluation.eval["precision"])[..., -1]
    assert own == pytest.approx(reference, abs=1e-9)


def sides(box: "np.ndarray[tuple[int], np.dtype[np.float32]]") -> dict[str, object]:
    left, top, right, bottom = box.astype(float).tolist()
    width, height = right - left, bottom - top
    return {"bbox": [left, top, width, height], "area": width * height}
