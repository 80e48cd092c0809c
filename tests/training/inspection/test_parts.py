"""The parts of an inspection alone: bytes, hashes, sizes, the choice of pictures."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_bytes import with_orientation
from labelled_sets import clean_pictures, image_file, scenery, write_set

from spotlet.annotate import class_colour_bgr
from spotlet.image_files import read_image
from spotlet.image_files.headers import is_cut_short
from spotlet.image_files.likeness import ALIKE_BITS, PictureHash, hash_of, nearest_hashes
from spotlet.image_files.orientation import exif_orientation
from spotlet_training.datasets import ImageLabels, LabelledImages
from spotlet_training.datasets.labels import LabelRow
from spotlet_training.inspection import inspect_sets, labelled_sheet
from spotlet_training.inspection.box_sizes import (
    FINEST_STRIDE,
    SIZE_NAMES,
    BoxSizes,
    larger_canvas,
    measure_boxes,
)
from spotlet_training.inspection.sheet import CELL_HW, spread


def jpeg(size_hw: tuple[int, int] = (40, 60), *, progressive: bool = False) -> bytes:
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    return cv2.imencode(".jpg", scenery(1, size_hw), options)[1].tobytes()


def with_exif(content: bytes, orientation: int, order: str = "MM", extra: bytes = b"") -> bytes:
    """Returns a JPEG with an EXIF block in either byte order, and more in that block."""
    endian = {"MM": "big", "II": "little"}[order]

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, "big" if endian == "big" else "little")

    entries = [(256, 4, number(60, 4)), (274, 3, number(orientation, 2) + b"\0\0")]
    directory = number(len(entries), 2) + b"".join(
        number(tag, 2) + number(kind, 2) + number(1, 4) + value for tag, kind, value in entries
    )
    tiff = order.encode() + number(42, 2) + number(8, 4) + directory + number(0, 4)
    body = b"Exif\0\0" + tiff + extra
    return content[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + content[2:]


@pytest.mark.parametrize("progressive", [False, True])
def test_every_beginning_of_a_jpeg_is_cut_short_and_the_whole_is_not(progressive: bool) -> None:
    # With a preview inside, whose end is not that of the picture.
    whole = with_exif(jpeg(progressive=progressive), 1, extra=jpeg((8, 8)))
    assert not is_cut_short(whole)
    assert not is_cut_short(whole + b"\0\0 a camera's trailer")
    assert all(is_cut_short(whole[:end]) for end in range(2, len(whole) - 1))


def test_what_is_no_jpeg_is_not_cut_short() -> None:
    assert not is_cut_short(b"")
    assert not is_cut_short(cv2.imencode(".png", scenery(1))[1].tobytes()[:100])


@pytest.mark.parametrize("order", ["MM", "II"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_read_in_either_byte_order(order: str, orientation: int) -> None:
    content = with_exif(jpeg((40, 60)), orientation, order)
    assert exif_orientation(content) == orientation
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape[:2] == ((60, 40) if orientation >= 5 else (40, 60))


@given(st.binary(max_size=60))
def test_bytes_that_mean_nothing_have_no_orientation_and_break_nothing(content: bytes) -> None:
    for start in (b"", b"\xff\xd8\xff\xe1", b"\xff\xd8\xff\xe1\x00\x40Exif\0\0MM\0*\0\0\0\x08"):
        assert 1 <= exif_orientation(start + content) <= 8
        is_cut_short(start + content)


def test_a_picture_turned_by_exif_is_told_where_the_labels_are_no_witness(tmp_path: Path) -> None:
    for format_name, expected in (("yolo", 1), ("coco", 0)):
        pictures = clean_pictures()
        pictures[0].name = "turned.jpg"
        root = write_set(tmp_path / format_name, format_name, pictures)
        path = image_file(root, "turned.jpg")
        # Stored lying, shown upright, as the labels have it.
        lying = cv2.imencode(".jpg", cv2.rotate(pictures[0].image, cv2.ROTATE_90_CLOCKWISE))[1]
        path.write_bytes(with_exif(lying.tobytes(), 8))
        findings = [one for one in inspect_sets([root]).findings if one.kind == "turned"]
        assert len(findings) == expected
        assert not [one for one in inspect_sets([root]).findings if one.severity == "error"]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_a_picture_is_turned_in_every_format_as_the_device_shows_it(
    tmp_path: Path, suffix: str
) -> None:
    pictures = clean_pictures()
    lying = cv2.rotate(pictures[0].image, cv2.ROTATE_90_CLOCKWISE)
    root = write_set(tmp_path, "yolo", pictures)
    path = image_file(root, "p0.png")
    path.unlink()
    path.with_suffix(suffix).write_bytes(with_orientation(np.asarray(lying, np.uint8), suffix, 8))
    inspection = inspect_sets([root])
    assert [one.kind for one in inspection.findings] == ["turned"]
    sample = LabelledImages(inspection.class_names, inspection.train).load(0)
    assert np.array_equal(sample.image_bgr, pictures[0].image)


def test_a_deep_picture_is_shown_and_named_and_a_black_one_is_an_error(tmp_path: Path) -> None:
    pictures = clean_pictures()
    root = write_set(tmp_path, "yolo", pictures)
    deep = cv2.cvtColor(pictures[0].image, cv2.COLOR_BGR2GRAY).astype(np.uint16) * 16 + 3
    assert cv2.imwrite(str(image_file(root, "p0.png")), deep)
    black = np.full((96, 128), 12, np.uint16)
    black[0, 0] = 65535  # a faulty pixel
    assert cv2.imwrite(str(image_file(root, "p1.png")), black)
    found = [one for one in inspect_sets([root]).findings if one.kind in ("bits", "black")]
    assert [(one.severity, one.kind, Path(str(one.file)).name) for one in found] == [
        ("error", "black", "p1.png"),
        ("note", "bits", "p0.png"),
        ("note", "bits", "p1.png"),
    ]
    assert "12 bits hold all its samples but for faulty pixels" in found[1].message
    assert "8 bits hold all" in found[2].message
    assert np.array_equal(read_image(image_file(root, "p0.png"))[:, :, 0], deep >> 4)


def test_a_picture_whose_name_is_not_utf_8_is_inspected_and_drawn(tmp_path: Path) -> None:
    pictures = clean_pictures()
    root = write_set(tmp_path, "yolo", pictures)
    odd = os.fsdecode(b"caf\xe9")
    try:
        for path in list(root.rglob("p0.*")):
            path.rename(path.with_name(odd + path.suffix))
    except OSError:
        pytest.skip("this file system has no such names")
    inspection = inspect_sets([root])
    assert [str(one) for one in inspection.findings] == []
    assert labelled_sheet(inspection) is not None
    samples = LabelledImages(inspection.class_names, inspection.train)
    assert "caf?.png" in [samples.load(index).name for index in range(len(samples))]


def test_labels_made_before_exif_turned_the_picture_are_an_error(tmp_path: Path) -> None:
    pictures = clean_pictures()
    pictures[0].name = "turned.jpg"
    root = write_set(tmp_path, "coco", pictures)
    path = image_file(root, "turned.jpg")
    path.write_bytes(with_exif(path.read_bytes(), 6))
    (found,) = (one for one in inspect_sets([root]).findings if one.severity == "error")
    assert "EXIF orientation" in found.message


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12), st.booleans())
def test_the_nearest_hash_is_that_of_a_slow_search(
    seed: int, rows: int, columns: int, earlier: bool
) -> None:
    rng = np.random.default_rng(seed)
    base = rng.random(255) < 0.5

    def hashes(count: int) -> list[PictureHash | None]:
        flips = [rng.random(255) < rng.choice([0.02, 0.05, 0.5]) for _ in range(count)]
        return [None if rng.random() < 0.2 else base ^ flip for flip in flips]

    ours = hashes(rows)
    others = ours if earlier else hashes(columns)
    found = nearest_hashes(ours, others, earlier=earlier)
    for index, (own, got) in enumerate(zip(ours, found, strict=True)):
        distances = [
            (int((own != other).sum()), place)
            for place, other in enumerate(others)
            if own is not None and other is not None and not (earlier and place >= index)
        ]
        best = min(distances, default=(256, -1))
        assert got == ((best[1], best[0]) if best[0] <= ALIKE_BITS else None)


@pytest.mark.parametrize("seed", range(5))
def test_a_hash_outlives_size_and_encoding_and_tells_other_pictures_apart(seed: int) -> None:
    image = scenery(seed + 1, (240, 320))
    ours = hash_of(image)
    assert ours is not None
    for scale, quality in ((1.0, 30), (0.5, 80), (0.37, 60), (2.0, 90)):
        resized = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        content = cv2.imencode(".jpg", resized, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        copy = hash_of(np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8))
        assert copy is not None
        assert (copy != ours).sum() <= ALIKE_BITS
    other = hash_of(scenery(seed + 100, (240, 320)))
    mirrored = hash_of(np.ascontiguousarray(image[:, ::-1]))
    assert other is not None
    assert mirrored is not None
    assert (other != ours).sum() > 3 * ALIKE_BITS
    assert (mirrored != ours).sum() > 3 * ALIKE_BITS


def labels_of(*boxes: tuple[float, ...], size_hw: tuple[int, int] | None = None) -> ImageLabels:
    rows = [
        LabelRow((left, top, right, bottom), int(class_id), ignored=False, place=1)
        for left, top, right, bottom, class_id in boxes
    ]
    return ImageLabels.from_rows(Path("a.png"), rows, Path("a.txt"), size_hw)


def test_boxes_are_measured_on_the_letterboxed_canvas() -> None:
    # 640 x 480 on 320 x 320 is half the size.
    one = labels_of((0, 0, 14, 4, 0), (0, 0, 10, 16, 0), (0, 0, 64, 190, 1), (0, 0, 9, 400, 1),
                    size_hw=(480, 640))  # fmt: skip
    sizes = measure_boxes([one], (320, 320), {})
    assert sizes.sides.tolist() == [7, 8, 95, 200]
    assert sizes.counts(0) == (1, 1, 0, 0)
    assert sizes.counts(1) == (0, 0, 1, 1)
    assert sizes.tiny == 1
    assert len(SIZE_NAMES) == 4


def test_boxes_in_fractions_are_at_most_as_large_as_the_canvas_allows() -> None:
    one = labels_of((0.0, 0.0, 0.1, 0.2, 0))
    upper = measure_boxes([one], (320, 320), {})
    np.testing.assert_allclose(upper.sides, [64])
    for size_hw in ((480, 640), (640, 480), (10, 1000), (333, 333)):
        known = measure_boxes([one], (320, 320), {one.path: size_hw})
        assert known.sides[0] <= upper.sides[0] + 1e-3
    np.testing.assert_allclose(measure_boxes([one], (320, 320), {one.path: (320, 640)}).sides, 32)


def test_ignored_boxes_are_not_measured() -> None:
    rows = [LabelRow((0, 0, 9, 9), 0, ignored=True, place=1)]
    one = ImageLabels.from_rows(Path("a.png"), rows, Path("a.txt"), (320, 320))
    assert len(measure_boxes([one], (320, 320), {}).sides) == 0


@given(st.lists(st.floats(0.5, 40), min_size=1, max_size=9), st.sampled_from([320, 416]))
def test_on_the_larger_canvas_half_of_the_boxes_fill_a_cell(sides: list[float], side: int) -> None:
    array = np.array(sides, np.float32)
    sizes = BoxSizes(array, np.zeros(len(array), np.int64))
    larger = larger_canvas(sizes, (side, side))
    if larger is None:
        assert np.median(array) * 4096 / side < FINEST_STRIDE
        return
    assert larger[0] % 32 == 0
    assert np.median(array) * larger[0] / side >= FINEST_STRIDE - 1e-3


def test_a_spread_shows_every_class_even_the_rarest() -> None:
    common = [labels_of((0, 0, 1, 1, index % 3)) for index in range(50)]
    rare = labels_of((0, 0, 1, 1, 7), (0, 0, 1, 1, 0))
    labels = [*common[:31], rare, labels_of(), *common[31:]]
    chosen = spread(labels, 6)
    assert len(chosen) == 6
    assert 31 in chosen
    assert 32 not in chosen
    assert {0, 1, 2, 7} <= {int(one) for index in chosen for one in labels[index].class_ids}
    assert max(chosen) - min(chosen) > 25
    assert spread([], 6) == []
    assert len(spread(labels[:2], 6)) == 2


def test_the_sheet_has_the_boxes_where_the_labels_have_them(tmp_path: Path) -> None:
    pictures = clean_pictures(train=1, val=1)
    for picture in pictures:
        picture.image = np.full((200, 400, 3), 128, np.uint8)
        picture.image[picture.image.shape[0] // 2 :] = 100
    pictures[0].boxes = [(40, 20, 140, 180, 0)]
    pictures[1].boxes = [(200, 60, 390, 160, 1)]
    sheet = labelled_sheet(inspect_sets([write_set(tmp_path, "voc", pictures)]))
    assert sheet is not None
    height, width = CELL_HW
    tile_width = sheet.shape[1] // 4
    legend = sheet.shape[0] - (sheet.shape[0] // height) * (height + 22 + 8)
    assert legend == 22
    for number, picture in enumerate(pictures):
        left, top, right, bottom, class_id = picture.boxes[0]
        # Each picture is as wide as its cell, so one pixel is one pixel, in the middle of it.
        tile = sheet[legend + 4 : legend + 4 + height, number * tile_width + 4 :][:, :width]
        colour = (tile[100:300] == class_colour_bgr(class_id)).all(axis=2)
        rows, columns = np.flatnonzero(colour.any(axis=1)), np.flatnonzero(colour.any(axis=0))
        assert (rows[0], rows[-1] + 1) == (top, bottom)
        assert (columns[0], columns[-1] + 1) == (left, right)
