import subprocess
import sys

import numpy as np
import pytest

from spotlet.boxes import box_iou
from spotlet.detections import Detections
from spotlet.errors import UsageError
from spotlet.evaluation import Truth, average_precision

NAMES = ("cat", "dog")
Box = tuple[float, float, float, float]


def _truth(*boxes: tuple[int, Box], ignored: tuple[int, ...] = ()) -> Truth:
    marks = np.zeros(len(boxes), np.bool_)
    marks[list(ignored)] = True
    return Truth(
        np.array([box for _, box in boxes], np.float32).reshape(-1, 4),
        np.array([class_id for class_id, _ in boxes], np.int64),
        marks,
    )


def _found(*boxes: tuple[int, float, Box]) -> Detections:
    return Detections(
        np.array([box for _, _, box in boxes], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in boxes], np.float32),
        np.array([class_id for class_id, _, _ in boxes], np.int64),
        NAMES,
    )


A: Box = (0, 0, 100, 100)
B: Box = (200, 200, 300, 300)
C: Box = (400, 0, 500, 100)


def test_finding_everything_exactly_gives_one() -> None:
    accuracy = average_precision(
        [_truth((0, A), (1, B))], [_found((0, 0.9, A), (1, 0.8, B))], NAMES
    )
    assert accuracy.ap == pytest.approx(1)
    assert accuracy.ap50 == pytest.approx(1)
    assert accuracy.ap75 == pytest.approx(1)
    assert accuracy.ap_large == pytest.approx(1)
    assert accuracy.ap_small is None
    assert accuracy.ap_medium is None
    assert accuracy.per_class_ap == {"cat": pytest.approx(1), "dog": pytest.approx(1)}


def test_objects_are_counted_by_class_and_size_and_those_ignored_are_not() -> None:
    boxes: list[Box] = [(0, 0, 31, 33), (0, 0, 32, 32), (0, 0, 96, 95), (0, 0, 96, 96), A]
    truth = _truth(*((n % 2, box) for n, box in enumerate(boxes)), ignored=(4,))
    accuracy = average_precision([truth, _truth((1, A))], [_found(), _found()], NAMES)
    assert accuracy.per_class_objects == {"cat": 2, "dog": 3}
    counts = accuracy.objects_small, accuracy.objects_medium, accuracy.objects_large
    assert counts == (1, 2, 2)
    assert [row[1] for row in accuracy.size_rows()] == [1, 2, 2]


def test_finding_one_of_two_counts_the_recall_points_up_to_a_half() -> None:
    # Precision is 1 at the recall points 0.00 … 0.50, which are 51 of 101.
    accuracy = average_precision([_truth((0, A), (0, B))], [_found((0, 0.9, A))], NAMES)
    assert accuracy.ap == pytest.approx(51 / 101)


def test_a_false_alarm_before_the_hit_halves_the_precision() -> None:
    accuracy = average_precision([_truth((0, A))], [_found((0, 0.9, C), (0, 0.8, A))], NAMES)
    assert accuracy.ap == pytest.approx(0.5)


def test_an_overlap_of_a_little_over_0_6_counts_at_three_thresholds() -> None:
    shifted = (24.0, 0.0, 124.0, 100.0)  # IoU 76 / 124 = 0.613: over 0.50, 0.55 and 0.60
    assert box_iou(np.array([A], np.float32), np.array([shifted], np.float32))[0, 0] < 0.65
    accuracy = average_precision([_truth((0, A))], [_found((0, 0.9, shifted))], NAMES)
    assert accuracy.ap == pytest.approx(0.3)
    assert accuracy.ap50 == pytest.approx(1)
    assert accuracy.ap75 == pytest.approx(0)


def test_a_second_detection_of_one_object_is_a_false_alarm() -> None:
    accuracy = average_precision(
        [_truth((0, A), (0, B))], [_found((0, 0.9, A), (0, 0.8, A), (0, 0.7, B))], NAMES
    )
    # Up to recall 0.5: 1; after that 2 of 3.
    assert accuracy.ap == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_sizes_are_told_apart_by_the_area_of_the_box() -> None:
    small, medium = (0, 0, 20, 20), (100, 100, 150, 150)
    accuracy = average_precision(
        [_truth((0, small), (0, medium), (0, B))], [_found((0, 0.9, small))], NAMES
    )
    assert accuracy.ap_small == pytest.approx(1)
    assert accuracy.ap_medium == pytest.approx(0)
    assert accuracy.ap_large == pytest.approx(0)


def test_an_ignored_object_need_not_be_found_and_may_be() -> None:
    truth = _truth((0, A), (0, B), ignored=(1,))
    assert average_precision([truth], [_found((0, 0.9, A))], NAMES).ap == pytest.approx(1)
    both = _found((0, 0.9, B), (0, 0.8, A))
    assert average_precision([truth], [both], NAMES).ap == pytest.approx(1)


def test_a_class_without_truth_is_none_and_leaves_the_mean_alone() -> None:
    accuracy = average_precision([_truth((0, A))], [_found((0, 0.9, A), (1, 0.9, B))], NAMES)
    assert accuracy.per_class_ap == {"cat": pytest.approx(1), "dog": None}
    assert accuracy.per_class_ap50 == {"cat": pytest.approx(1), "dog": None}
    assert accuracy.ap == pytest.approx(1)


def test_the_rows_of_a_table_are_the_classes_and_all() -> None:
    accuracy = average_precision([_truth((0, A), (0, B))], [_found((0, 0.9, A))], NAMES)
    assert accuracy.rows() == [
        ("cat", "0.505", "0.505"),
        ("dog", "-", "-"),
        ("all", "0.505", "0.505"),
    ]


def test_finding_nothing_gives_zero() -> None:
    accuracy = average_precision([_truth((0, A))] * 2, [Detections.none(NAMES)] * 2, NAMES)
    assert accuracy.ap == 0
    assert accuracy.per_class_ap50 == {"cat": 0, "dog": None}


@pytest.mark.parametrize("frames", [0, 3])
def test_without_any_truth_nothing_is_measured(frames: int) -> None:
    accuracy = average_precision([_truth()] * frames, [_found((0, 0.9, A))] * frames, NAMES)
    assert accuracy.ap is None
    assert accuracy.ap50 is None
    assert accuracy.per_class_ap == {"cat": None, "dog": None}


def test_only_the_best_hundred_of_a_frame_count() -> None:
    misses = [(0, 0.9 - 0.001 * n, C) for n in range(100)]
    accuracy = average_precision([_truth((0, A))], [_found(*misses, (0, 0.1, A))], NAMES)
    assert accuracy.ap == 0
    accuracy = average_precision([_truth((0, A))], [_found(*misses[1:], (0, 0.1, A))], NAMES)
    assert accuracy.ap == pytest.approx(0.01)


def test_detections_are_matched_within_their_own_frame() -> None:
    found = [Detections.none(NAMES), _found((0, 0.9, A))]
    assert average_precision([_truth((0, A)), _truth()], found, NAMES).ap == 0


def test_the_order_of_detections_does_not_matter() -> None:
    ordered = _found((0, 0.9, A), (0, 0.8, C), (0, 0.7, B))
    shuffled = ordered.select(np.array([2, 0, 1]))
    truth = [_truth((0, A), (0, B))]
    one, other = (average_precision(truth, [each], NAMES) for each in (ordered, shuffled))
    assert one.ap == other.ap


def test_truths_and_frames_must_be_as_many() -> None:
    with pytest.raises(UsageError, match="1 truths for 0 frames"):
        average_precision([_truth()], [], NAMES)


def test_a_class_id_without_a_name_is_refused() -> None:
    with pytest.raises(UsageError, match="not one of the 2 classes"):
        average_precision([_truth((2, A))], [_found()], NAMES)


def test_arrays_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(UsageError, match=r"must be \(N, 4\)"):
        Truth(np.zeros((2, 4), np.float32), np.zeros(1, np.int64), np.zeros(1, np.bool_))


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    average_precision([_truth((0, A))], [_found((0, 0.9, A))], NAMES)
    assert capfd.readouterr() == ("", "")


@pytest.mark.live
def test_the_missing_evaluator_is_named_with_its_pip_install() -> None:
    code = (
        "import sys; sys.modules['faster_coco_eval'] = None\n"
        "from spotlet.evaluation import average_precision\n"
        "from spotlet.errors import UsageError\n"
        "try: average_precision([], [], ())\n"
        "except UsageError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "spotlet[evaluation]"' in done.stdout
