import numpy as np

from spotlet.detections import Detection, Detections

NAMES = ("cat", "dog", "owl")
FOUND = Detections(
    np.array([[0, 0, 10, 20], [5, 5, 6, 7.5], [1, 2, 3, 4]], np.float32),
    np.array([0.75, 0.5, 0.25], np.float32),
    np.array([2, 0, 2], np.int64),
    NAMES,
)


def test_iterating_gives_each_object_in_plain_python_types() -> None:
    assert list(FOUND) == [
        Detection("owl", 2, 0.75, (0.0, 0.0, 10.0, 20.0)),
        Detection("cat", 0, 0.5, (5.0, 5.0, 6.0, 7.5)),
        Detection("owl", 2, 0.25, (1.0, 2.0, 3.0, 4.0)),
    ]
    one = next(iter(FOUND))
    assert [type(edge) for edge in one.box_xyxy] == [float] * 4
    assert (type(one.class_id), type(one.score)) == (int, float)


def test_the_length_is_the_number_of_objects() -> None:
    assert len(FOUND) == 3
    assert len(Detections.none(NAMES)) == 0


def test_a_frame_without_objects_has_arrays_of_the_right_types() -> None:
    none = Detections.none(NAMES)
    assert none.boxes_xyxy.shape == (0, 4)
    dtypes = [array.dtype.name for array in (none.boxes_xyxy, none.scores, none.class_ids)]
    assert dtypes == ["float32", "float32", "int64"]
    assert list(none) == []


def test_objects_are_selected_by_mask_or_by_index_in_its_order() -> None:
    by_mask = FOUND.select(np.array([True, False, True]))
    by_index = FOUND.select(np.array([2, 0]))
    assert by_mask.scores.tolist() == [0.75, 0.25]
    assert by_index.scores.tolist() == [0.25, 0.75]
    assert by_index.boxes_xyxy[0].tolist() == [1, 2, 3, 4]
    assert by_index.class_names == NAMES


def test_objects_are_selected_by_the_names_of_their_classes() -> None:
    assert FOUND.of_classes(("owl", "dog")).scores.tolist() == [0.75, 0.25]
    assert len(FOUND.of_classes(("dog",))) == 0
    assert len(FOUND.of_classes(())) == 0
    assert len(FOUND.of_classes(NAMES)) == 3
