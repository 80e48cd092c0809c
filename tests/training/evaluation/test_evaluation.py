from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from shapes import Shapes

from spotlet.detections import Detections
from spotlet.errors import DatasetError
from spotlet.letterbox import ImageArray
from spotlet_training.datasets.class_order import in_class_order
from spotlet_training.datasets.labels import LabelledImages
from spotlet_training.evaluation.evaluation import (
    BATCH_SIZE,
    COCO_RULE,
    SHOWN_RULE,
    evaluate_detector,
    evaluate_network,
    network_detector,
)
from spotlet_training.network.checkpoint import load_checkpoint


@pytest.mark.parametrize("count", [1, BATCH_SIZE, BATCH_SIZE + 1, 2 * BATCH_SIZE + 8])
def test_batches_measure_what_one_image_at_a_time_measures(
    count: int, shapes_checkpoint: Path
) -> None:
    pictures = Shapes(count, seed=5)
    network = load_checkpoint(shapes_checkpoint).network

    find, show = (
        network_detector(network, pictures.class_names, rule) for rule in (COCO_RULE, SHOWN_RULE)
    )
    with ThreadPoolExecutor(2) as pool:
        batched = evaluate_network(network, pictures, pool)
    single = evaluate_detector(lambda frame: (find(frame), show(frame)), pictures)
    assert batched.accuracy.ap == pytest.approx(single.accuracy.ap, abs=1e-6)
    figures = batched.accuracy.per_class_ap50
    assert figures == pytest.approx(single.accuracy.per_class_ap50, abs=1e-6)
    assert batched.operating_point is not None
    assert batched.operating_point == single.operating_point


def test_a_person_is_shown_one_class_a_place(shapes_checkpoint: Path) -> None:
    pictures = Shapes(4, seed=5)
    network = load_checkpoint(shapes_checkpoint).network
    with ThreadPoolExecutor(1) as pool:
        evaluation = evaluate_network(network, pictures, pool)
    for found, shown in zip(evaluation.found, evaluation.shown, strict=True):
        assert len(shown) < len(found)
    strong = evaluation.shown_from(0.5)
    assert all(np.all(each.scores >= 0.5) for each in strong)
    point = evaluation.point_at(0.5)
    objects = sum(len(truth.class_ids) for truth in evaluation.truths)
    right = round(point.recall * objects)
    assert point.precision == pytest.approx(right / sum(len(each) for each in strong))


def test_classes_are_matched_by_name_and_others_refused() -> None:
    pictures = Shapes(3)
    assert in_class_order(pictures, ("square", "disc")) is pictures
    turned = in_class_order(pictures, ("disc", "square"))
    assert (turned.class_names, len(turned)) == (("disc", "square"), 3)
    for index in range(3):
        own, other = pictures.load(index), turned.load(index)
        assert (1 - own.class_ids).tolist() == other.class_ids.tolist()
        np.testing.assert_array_equal(own.image_bgr, other.image_bgr)
    with pytest.raises(DatasetError, match=r"missing: cube; not the model's: disc"):
        in_class_order(pictures, ("square", "cube"))
    with pytest.raises(DatasetError, match="may lack some of them, but have no others"):
        in_class_order(pictures, ("square",))


def test_a_class_that_a_set_does_not_list_is_unknown_in_its_images() -> None:
    pictures = Shapes(3)
    names = ("cube", "disc", "square")
    assert [in_class_order(pictures, names).load(n).unknown_ids for n in range(3)] == [(0,)] * 3
    files = LabelledImages(("disc",), [])
    assert in_class_order(files, names).class_names == names
    with pytest.raises(DatasetError, match="must be the same, in any order"):
        in_class_order(pictures, names, may_lack=False)


def test_one_class_that_differs_is_named_without_the_other_hundred() -> None:
    names = [f"part {number}" for number in range(160)]
    one = LabelledImages(tuple(names), [])
    with pytest.raises(DatasetError) as caught:
        in_class_order(one, (*names[:-1], "part of another"))
    assert str(caught.value) == (
        "the set has 160 classes, the model's are 160: may lack some of them, but have no "
        "others (missing: part of another; not the model's: part 159)"
    )
    with pytest.raises(DatasetError, match=r"missing: x; not .*, part 19 and 140 more\)"):
        in_class_order(one, ("x",))


def test_a_detector_that_knows_the_truth_scores_1() -> None:
    pictures = Shapes(5)

    samples = iter([pictures.load(index) for index in range(5)])

    def oracle(_frame: ImageArray) -> tuple[Detections, Detections]:
        sample = next(samples)
        scores = np.ones(len(sample.class_ids), np.float32)
        names = pictures.class_names
        found = Detections(sample.boxes_xyxy, scores, sample.class_ids, names)
        return found, found

    evaluation = evaluate_detector(oracle, pictures)
    assert evaluation.accuracy.ap == pytest.approx(1.0)
    assert evaluation.operating_point is not None
    assert evaluation.operating_point.f1 == 1
