from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from teachers import FakeTeacher, Row, bright_parts

from spotlet.errors import UsageError
from spotlet.letterbox import ImageArray
from spotlet_training.labelling.classes import UNWANTED, choose_classes, classes_of_set
from spotlet_training.labelling.fusion import Labels, fuse
from spotlet_training.labelling.passes import View, find_objects, views_of
from spotlet_training.labelling.settings import LabelSettings, parse_classes, parse_scores
from spotlet_training.labelling.teachers import Assignment, default_thresholds

BLACK = np.zeros((100, 200, 3), np.uint8)
BOX = (10.0, 10.0, 50.0, 60.0)
NEAR = (12.0, 10.0, 52.0, 60.0)  # IoU 0.90 with BOX
FAR = (120.0, 10.0, 160.0, 60.0)


def assigned(teacher: FakeTeacher, ids: list[int], thresholds: list[float]) -> Assignment:
    return Assignment(teacher, np.array(ids, np.int64), np.array(thresholds, np.float32))


def labels_of(
    *rows: list[Row], agree: str = "any", doubt: float = 0.5, knows: list[list[int]] | None = None
) -> Labels:
    """Labels by one teacher for each list of rows, of the classes cat and dog."""
    all_ids = knows or [[0, 1]] * len(rows)
    assignments = [
        assigned(FakeTeacher(("cat", "dog"), each), ids, [0.5, 0.5])
        for each, ids in zip(rows, all_ids, strict=True)
    ]
    views = views_of((100, 200), ("plain",), 640)
    found = [find_objects(each, BLACK, views, doubt) for each in assignments]
    return fuse(assignments, found, agree)


def test_all_classes_of_all_teachers_are_taken_by_name() -> None:
    names, ids = choose_classes([("a", ("cat", "dog")), ("b", ("dog", "cow"))], None)
    assert names == ("cat", "dog", "cow")
    assert [each.tolist() for each in ids] == [[0, 1], [1, 2]]


def test_classes_are_chosen_merged_and_renamed() -> None:
    chosen = parse_classes("person,car=vehicle, truck = vehicle")
    names, ids = choose_classes([("a", ("car", "person", "dog", "truck"))], chosen)
    assert names == ("person", "vehicle")
    assert ids[0].tolist() == [1, 0, UNWANTED, 1]


def test_classes_of_labelled_sets_come_last() -> None:
    names, _ = choose_classes([("a", ("cat", "dog"))], [("dog", "dog")], ["bird", "dog"])
    assert names == ("dog", "bird")


def test_classes_of_labelled_sets_are_renamed_too() -> None:
    chosen = parse_classes("sneaker=shoe,sandal=shoe,bird=fowl")
    names, _ = choose_classes([("a", ("sneaker", "sandal"))], chosen, ["sandal", "bird", "bag"])
    assert names == ("shoe", "fowl", "bag")


@pytest.mark.parametrize(
    ("own", "unknown", "ids", "is_open"),
    [
        (("sneaker", "sandal"), (), [0, 0], False),
        (("sneaker", "sandal"), (1,), [0, 0], True),
        (("sneaker", "tie"), (), [0, UNWANTED], True),  # sandals were not labelled there
        (("sneaker", "shoe"), (), [0, 0], False),
        ((), (), [], True),
    ],
)
def test_a_merged_class_is_complete_where_all_its_parts_are(
    own: tuple[str, ...], unknown: tuple[int, ...], ids: list[int], is_open: bool
) -> None:
    chosen = parse_classes("sneaker=shoe,sandal=shoe,bag")
    found, open_ids = classes_of_set(own, unknown, ("shoe", "bag"), chosen)
    assert found.tolist() == ids
    assert (0 in open_ids) is is_open
    assert 1 in open_ids


def test_a_class_that_no_teacher_has_is_refused_with_the_closest_and_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"'Persn'.*did you mean person\?.*a has person, car") as e:
        choose_classes([("a", ("person", "car"))], parse_classes("Persn"))
    assert "\n" not in str(e.value)


def test_a_teacher_without_any_chosen_class_is_refused() -> None:
    with pytest.raises(UsageError, match=r"b: has none of the chosen classes, only cow"):
        choose_classes([("a", ("cat",)), ("b", ("cow",))], parse_classes("cat"))


@pytest.mark.parametrize("text", ["", "a,,b", "a=", "=b", "a,a"])
def test_unclear_classes_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="classes"):
        parse_classes(text)


def test_scores_are_for_all_classes_or_for_one() -> None:
    assert parse_scores("0.4,car=0.3") == (0.4, {"car": 0.3})
    with pytest.raises(UsageError, match="number"):
        parse_scores("car=high")
    for text in ("0.4,0.9", "car=0.3,car=0.4"):
        with pytest.raises(UsageError, match="is given twice"):
            parse_scores(text)
    settings = LabelSettings(pictures=("a",), out="b", score=0.4, class_scores={"dog": 0.3})  # type: ignore[arg-type]
    thresholds = default_thresholds(FakeTeacher(("x",)), ("cat", "dog"), settings)
    assert thresholds.tolist() == pytest.approx([0.4, 0.3])
    with pytest.raises(UsageError, match=r"no such class in the set; did you mean dog\?"):
        default_thresholds(FakeTeacher(("x",)), ("dogs", "dog")[1:], LabelSettings(
            pictures=("a",), out="b", class_scores={"dgo": 0.3}  # type: ignore[arg-type]
        ))  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"pictures": ()},
        {"score": 0.0},
        {"class_scores": {"cat": 1.5}},
        {"doubt": 0.0},
        {"agree": "some"},
        {"score": 0.9, "thresholds_from": "set"},
        {"passes": ("upside down",)},
        {"tile_pixels": 8},
        {"every": 0},
        {"threads": -1},
    ],
)
def test_a_setting_that_breaks_its_rule_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        LabelSettings(**{"pictures": ("a",), "out": "b"} | wrong)  # type: ignore[arg-type]


def test_what_scores_below_the_threshold_is_ignored_and_far_below_it_left_out() -> None:
    found = labels_of([("cat", 0.5, BOX), ("cat", 0.3, FAR), ("dog", 0.2, FAR)])
    assert found.ignored.tolist() == [False, True]
    assert found.boxes_xyxy.tolist() == [list(BOX), list(FAR)]
    assert found.doubts[0] == 1.0  # at the threshold
    assert labels_of([("cat", 0.4, BOX)], doubt=1.0).scores.tolist() == []


def test_a_doubtful_box_on_a_sure_one_of_its_class_is_dropped() -> None:
    inside = (10.0, 10.0, 30.0, 40.0)
    found = labels_of([("cat", 0.9, BOX), ("cat", 0.3, inside), ("dog", 0.3, inside)])
    assert list(zip(found.class_ids.tolist(), found.ignored.tolist(), strict=True)) == [
        (0, False),
        (1, True),
    ]


def test_of_doubtful_boxes_on_one_place_the_likeliest_stays() -> None:
    found = labels_of([("cat", 0.4, BOX), ("cat", 0.3, NEAR), ("cat", 0.3, FAR)])
    assert found.boxes_xyxy.tolist() == [list(BOX), list(FAR)]


def test_of_two_classes_on_one_object_the_likelier_stays_and_is_in_doubt() -> None:
    found = labels_of([("cat", 0.9, BOX), ("dog", 0.81, NEAR)])
    assert found.class_ids.tolist() == [0]
    assert found.doubts.tolist() == pytest.approx([0.9])


def test_two_teachers_boxes_of_an_object_are_averaged_by_score() -> None:
    found = labels_of([("cat", 0.9, BOX)], [("cat", 0.6, NEAR)])
    expected = (0.9 * np.array(BOX) + 0.6 * np.array(NEAR)) / 1.5
    assert found.boxes_xyxy[0].tolist() == pytest.approx(expected.tolist(), abs=1e-4)
    assert found.scores.tolist() == pytest.approx([0.75])


def test_two_boxes_of_one_teacher_are_never_averaged() -> None:
    crowd = [("cat", 0.9, (0.0, 0.0, 40.0, 40.0)), ("cat", 0.8, (10.0, 0.0, 50.0, 40.0))]
    assert len(labels_of(crowd, [("cat", 0.9, (0.0, 0.0, 40.0, 40.0))]).scores) == 2


@pytest.mark.parametrize(
    ("agree", "ignored"), [("any", [False]), ("majority", [True]), ("all", [True])]
)
def test_what_one_of_three_teachers_finds_needs_the_agreement(
    agree: str, ignored: list[bool]
) -> None:
    found = labels_of([("cat", 0.9, BOX)], [], [], agree=agree)
    assert found.ignored.tolist() == ignored
    two = labels_of([("cat", 0.9, BOX)], [("cat", 0.8, NEAR)], [], agree=agree)
    assert two.ignored.tolist() == [agree == "all"]


def test_a_teacher_that_does_not_know_a_class_has_no_vote_on_it() -> None:
    found = labels_of([("cat", 0.9, BOX)], [], agree="all", knows=[[0, 1], [UNWANTED, 1]])
    assert found.ignored.tolist() == [False]


def test_merged_classes_suppress_each_other() -> None:
    teacher = FakeTeacher(("car", "truck"), [("car", 0.9, BOX), ("truck", 0.8, NEAR)])
    views = views_of((100, 200), ("plain",), 640)
    merged = find_objects(assigned(teacher, [0, 0], [0.5]), BLACK, views, 0.5)
    assert merged.boxes_xyxy.tolist() == [list(BOX)]
    apart = find_objects(assigned(teacher, [0, 1], [0.5, 0.5]), BLACK, views, 0.5)
    assert len(apart.scores) == 2


def test_boxes_are_inside_the_picture_and_have_an_area() -> None:
    rows: list[Row] = [
        ("cat", 0.9, (-50.0, 10.0, 300.0, 50.0)),
        ("cat", 0.8, (5.0, 5.0, 5.0, 9.0)),
        ("cat", 0.7, (5.0, 5.0, float("nan"), 9.0)),
    ]
    assert labels_of(rows).boxes_xyxy.tolist() == [[0, 10, 200, 50]]


def test_a_mirrored_view_maps_boxes_back() -> None:
    view = View((0, 0, 200, 100), mirrored=True)
    boxes = np.array([[10, 20, 30, 40]], np.float32)
    assert view.to_picture(boxes).tolist() == [[170, 20, 190, 40]]
    image = BLACK.copy()
    image[20:40, 170:190] = 255
    assert view.crop(image)[20:40, 10:30].min() == 255


@given(height=st.integers(1, 3000), width=st.integers(1, 3000), tile=st.integers(32, 800))
def test_tiles_cover_the_picture_and_overlap(height: int, width: int, tile: int) -> None:
    views = views_of((height, width), ("tiled",), tile)
    assert views[0].part_xyxy == (0, 0, width, height)
    if max(height, width) <= tile:
        assert len(views) == 1
        return
    tiles = [view.part_xyxy for view in views[1:]]
    for first, last, side in ((0, 2, width), (1, 3, height)):
        spans = sorted({(each[first], each[last]) for each in tiles})
        assert spans[0][0] == 0
        assert spans[-1][1] == side
        assert all(end - start == min(tile, side) for start, end in spans)
        # Rounding to whole pixels may cost one.
        shared = [end - start for (_, end), (start, _) in pairwise(spans)]
        assert all(each >= tile * 0.25 - 1 for each in shared)


def test_an_object_cut_by_a_tile_loses_to_the_whole_one() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[30:60, 80:110] = 255  # whole in the middle tile, cut by the others
    teacher = FakeTeacher(("cat",), bright_parts("cat", 0.9))
    each = assigned(teacher, [0], [0.5])
    found = find_objects(each, image, views_of((100, 200), ("tiled",), 100), 0.5)
    assert len(teacher.asked) == 4
    assert found.boxes_xyxy.tolist() == [[80, 30, 110, 60]]
    assert not found.cut.any()


def test_an_object_that_every_tile_cuts_and_no_view_shows_whole_is_in_doubt() -> None:
    image = np.zeros((100, 250, 3), np.uint8)
    image[30:60, 60:90] = 255

    def near_sighted(part: ImageArray) -> list[Row]:
        return bright_parts("cat", 0.9)(part)[: part.shape[1] < 250]

    views = [View((0, 0, 250, 100)), View((0, 0, 75, 100))]
    each = assigned(FakeTeacher(("cat",), near_sighted), [0], [0.5])
    found = find_objects(each, image, views, 0.5)
    assert found.cut.tolist() == [True]
    assert fuse([each], [found]).ignored.tolist() == [True]
    unsure = assigned(each.teacher, [0], [0.95])  # type: ignore[arg-type]
    assert find_objects(unsure, image, views, 0.5).scores.tolist() == []
