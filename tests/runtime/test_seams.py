"""What several parts of a frame show of one object is one object."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spotlet.boxes import box_iou
from spotlet.detections import Detections
from spotlet.detector import Detector
from spotlet.errors import UsageError
from spotlet.letterbox import ImageArray
from spotlet.manifest import DetectionRule
from spotlet.seams import BORDER_PIXELS, merge_parts
from spotlet.session import SessionSettings
from spotlet.tiles import Part, TileSettings

Box = tuple[float, float, float, float]
Draw = Callable[..., ImageArray]

FRAME_HW = (480, 640)
PARTS = TileSettings(layout="2x2").parts(FRAME_HW, (120, 160))
STEPS = 200


@pytest.fixture(scope="module")
def detector(squares_model: Path) -> Detector:
    """Finds what is purely blue, green or red; its canvas is 120 x 160."""
    settings = SessionSettings(threads=1)
    return Detector(squares_model, tiles=TileSettings(layout="2x2"), session=settings)


def found(*rows: tuple[Box, float], class_ids: Sequence[int] | None = None) -> Detections:
    return Detections(
        np.array([box for box, _ in rows], np.float32).reshape(-1, 4),
        np.array([score for _, score in rows], np.float32),
        np.array([0] * len(rows) if class_ids is None else class_ids, np.int64),
        ("person", "car"),
    )


def merged(views: Sequence[Detections], parts: Sequence[Part] = PARTS, **rule: object) -> list[Box]:
    limits = DetectionRule(**rule)  # type: ignore[arg-type]
    result = merge_parts(views, parts, [BORDER_PIXELS] * len(parts), limits)
    return [tuple(box) for box in result.boxes_xyxy.tolist()]


NONE = found()


@pytest.mark.parametrize("size", [10, 60, 250])
@pytest.mark.parametrize("direction", ["across", "diagonal"])
def test_an_object_that_moves_across_the_seams_is_found_once_in_each_step(
    detector: Detector, draw_squares: Draw, size: int, direction: str
) -> None:
    height, width = FRAME_HW
    for step in range(STEPS):
        x = round((width - size) * step / (STEPS - 1))
        y = round((height - size) * (step / (STEPS - 1) if direction == "diagonal" else 0.4))
        frame = draw_squares(FRAME_HW, green=(x, y, x + size, y + size))
        each = detector(frame)
        assert [one.name for one in each] == ["green"], f"step {step}"
        truth = np.array([[x, y, x + size, y + size]], np.float32)
        assert box_iou(each.boxes_xyxy, truth).min() > (0.8 if size > 10 else 0.5), f"step {step}"


def test_three_objects_on_the_crossing_are_three(detector: Detector, draw_squares: Draw) -> None:
    squares = {"blue": (240, 180, 310, 300), "green": (315, 100, 360, 240)}
    each = detector(draw_squares(FRAME_HW, **squares, red=(330, 241, 500, 470)))
    assert sorted(one.name for one in each) == ["blue", "green", "red"]
    assert (each.tiles, each.inferences) == ("2x2", 5)


@pytest.mark.parametrize("size_hw", [(1, 1), (3, 700), (701, 2), (97, 131), (1441, 2563)])
def test_frames_of_odd_sizes_have_their_objects_in_pixels_of_the_frame(
    detector: Detector, draw_squares: Draw, size_hw: tuple[int, int]
) -> None:
    height, width = size_hw
    whole = (0, 0, width, height)
    (one,) = detector(draw_squares(size_hw, red=whole))
    assert np.allclose(one.box_xyxy, whole, atol=max(size_hw) / 100)


def test_a_frame_smaller_than_a_tile_has_the_detections_of_a_detector_without_tiles(
    squares_model: Path, draw_squares: Draw
) -> None:
    plain = Detector(squares_model)
    cut = Detector(squares_model, tiles=TileSettings(layout="640"))
    frame = draw_squares((301, 457), blue=(20, 30, 90, 120), red=(200, 100, 260, 160))
    a, b = plain(frame), cut(frame)
    assert np.array_equal(a.boxes_xyxy, b.boxes_xyxy)
    assert (b.inferences, a.tiles, b.tiles) == (1, None, "640")


def test_batches_fixed_at_one_and_threads_change_nothing(
    detector: Detector, save_squares_model: Callable[..., Path], draw_squares: Draw, tmp_path: Path
) -> None:
    single = Detector(
        save_squares_model(tmp_path / "one.onnx", batch=1), tiles=TileSettings(layout="2x2")
    )
    frames = [draw_squares(FRAME_HW, green=(n * 20, 200, n * 20 + 60, 260)) for n in range(16)]
    one_by_one = [detector(frame) for frame in frames]
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(detector, frames))
    for results in (threaded, single.detect(frames), detector.detect(iter(frames))):
        for a, b in zip(one_by_one, results, strict=True):
            assert np.array_equal(a.boxes_xyxy, b.boxes_xyxy)
            assert b.inferences == 5


def test_outputs_of_all_parts_give_the_same_by_any_rule(
    detector: Detector, draw_squares: Draw
) -> None:
    frame = draw_squares(FRAME_HW, green=(300, 200, 340, 260))
    outputs = detector.part_outputs(frame)
    assert [each.part_xyxy for each in outputs] == PARTS
    assert np.array_equal(detector.found_in(outputs).boxes_xyxy, detector(frame).boxes_xyxy)
    strict = replace(detector.rule, score_threshold=0.95)
    assert len(detector.found_in(outputs, strict)) == 0
    assert detector.outputs(frame).part_xyxy is None


@pytest.mark.parametrize("tiles", ["2x2", "off", 640, {"layout": "2x2"}])
def test_tiles_that_are_not_settings_are_refused_at_once(
    squares_model: Path, tiles: object
) -> None:
    with pytest.raises(UsageError, match=r"must be TileSettings, such as"):
        Detector(squares_model, tiles=tiles)  # type: ignore[arg-type]


def test_a_box_that_a_border_cuts_gives_way_to_a_whole_one() -> None:
    # The second tile shows all of what the first cuts at x = 366.
    views = [NONE, found(((300, 50, 366, 100), 0.9)), found(((300, 50, 420, 100), 0.7)), NONE, NONE]
    assert merged(views) == [(300, 50, 420, 100)]


def test_a_large_object_comes_from_the_whole_frame() -> None:
    large = (100, 100, 600, 400)
    pieces = [
        found(((max(100, x1), max(100, y1), min(600, x2), min(400, y2)), 0.9))
        for x1, y1, x2, y2 in PARTS[1:]
    ]
    assert merged([found((large, 0.6)), *pieces]) == [large]


def test_pieces_of_what_no_part_shows_whole_are_joined() -> None:
    pieces = [
        found(((100, 50, 366, 80), 0.6)),
        found(((274, 51, 600, 81), 0.8)),
    ]
    assert merged([NONE, *pieces, NONE, NONE]) == [(100, 50, 600, 81)]


def test_pieces_that_differ_where_both_parts_look_are_not_joined() -> None:
    pieces = [found(((100, 50, 366, 80), 0.6)), found(((274, 90, 600, 120), 0.8))]
    third = found(((274, 50, 500, 80), 0.5))
    assert len(merged([NONE, *pieces, NONE, NONE])) == 2
    assert merged([NONE, pieces[0], third, NONE, NONE]) == [(100, 50, 500, 80)]


def test_a_piece_stays_where_nothing_else_is() -> None:
    piece = (100, 50, 366, 80)
    views = [NONE, found((piece, 0.9), ((20, 20, 40, 40), 0.5)), NONE, NONE, NONE]
    assert merged(views) == [piece, (20, 20, 40, 40)]
    other_class = found(((100, 50, 420, 84), 0.4), class_ids=[1])
    assert merged([other_class, *views[1:]]) == [(20, 20, 40, 40), (100, 50, 420, 84)]


def test_pieces_that_leave_a_border_cut_give_way_to_what_is_there() -> None:
    # Both tiles on the left end at x = 366, and those on the right see nothing.
    pieces = [found(((300, 50, 366, 274), 0.8)), NONE, found(((300, 206, 366, 400), 0.9)), NONE]
    assert merged([NONE, *pieces]) == [(300, 50, 366, 400)]
    assert merged([found(((290, 40, 500, 410), 0.5)), *pieces]) == [(290, 40, 500, 410)]


def test_pieces_of_two_classes_are_one_object() -> None:
    left, right = (100, 50, 366, 80), (274, 51, 600, 81)
    pieces = [
        found((box, score), (box, 0.5), class_ids=[0, 1])
        for box, score in ((left, 0.7), (right, 0.6))
    ]
    assert merged([NONE, *pieces, NONE, NONE]) == [(100, 50, 600, 81)]
    assert len(merged([NONE, *pieces, NONE, NONE], every_class=True)) == 2


def test_what_ends_at_a_border_that_another_of_its_parts_looks_beyond_is_whole() -> None:
    corners = (
        (290, 150, 366, 274),
        (290, 150, 364, 274),
        (290, 206, 366, 300),
        (290, 206, 365, 300),
    )
    joined = merged([NONE, *(found((box, 0.5)) for box in corners)])
    assert joined == [(290, 150, 366, 300)]


def test_a_doubtful_box_does_not_keep_sure_pieces_from_being_joined() -> None:
    pieces = [found(((100, 50, 366, 80), 0.9)), found(((274, 51, 600, 81), 0.8))]
    views = [found(((60, 40, 640, 90), 0.1)), *pieces, NONE, NONE]
    assert merged(views) == [(100, 50, 600, 81)]


def test_neighbours_in_a_crowd_remain_two() -> None:
    a, b = (100, 50, 130, 110), (112, 50, 142, 110)
    moved_a, moved_b = (102, 51, 131, 111), (113, 49, 143, 109)
    views = [found((a, 0.6), (b, 0.5)), found((moved_b, 0.9), (moved_a, 0.8)), NONE, NONE, NONE]
    assert sorted(merged(views)) == [moved_a, moved_b]


def test_a_weak_box_below_a_strong_one_takes_nothing_from_it() -> None:
    strong, weak = ((100, 50, 140, 90), 0.6), ((100, 50, 140, 70), 0.2)
    twin = ((101, 51, 141, 91), 0.5)
    views = [found(strong), found(twin, weak), NONE, NONE, NONE]
    kept = merged(views, score_threshold=0.1)
    assert strong[0] in kept
    assert twin[0] not in kept


def test_half_an_object_that_ends_some_pixels_from_the_border_gives_way() -> None:
    # As networks see it: the first tile ends at y = 274, its half of the object at y = 271.
    half, whole = ((400, 180, 440, 271), 0.59), ((401, 182, 439, 340), 0.5)
    views = [found(whole), NONE, found(half), NONE, NONE]
    assert merged(views) == [whole[0]]


def test_what_is_coarse_in_the_whole_frame_is_not_counted_twice() -> None:
    views = [found(((96, 48, 112, 72), 0.5)), found(((101, 50, 109, 66), 0.8)), NONE, NONE, NONE]
    assert merged(views) == [(101, 50, 109, 66)]


def test_a_place_where_parts_disagree_about_the_class_has_one_object() -> None:
    one, two = ((100, 50, 150, 100), 0.5), ((101, 50, 150, 101), 0.8)
    views = [found(one, class_ids=[1]), found(two), NONE, NONE, NONE]
    assert merged(views) == [two[0]]
    assert len(merged(views, every_class=True)) == 2


def test_the_best_are_kept_up_to_the_limit() -> None:
    rows = [((x, 10.0, x + 8, 20.0), x / 1000) for x in range(300, 0, -20)]
    boxes = merged([found(*rows), NONE, NONE, NONE, NONE], max_detections=3)
    assert [box[0] for box in boxes] == [300, 280, 260]
