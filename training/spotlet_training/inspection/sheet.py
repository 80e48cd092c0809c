"""A contact sheet: pictures of a labelled set with their boxes drawn on them."""

from collections.abc import Sequence

import cv2
import numpy as np

from spotlet.annotate import class_colour_bgr, contact_sheet, draw_detections
from spotlet.detections import Detections
from spotlet.letterbox import ImageArray, Letterbox
from spotlet_training.datasets import ImageLabels, LabelledImages, Sample
from spotlet_training.inspection.pictures import is_turned_unseen
from spotlet_training.inspection.survey import Inspection

COLUMNS = 4
SHEET_IMAGES = 16
"""Pictures on a sheet; more if the classes need them, up to `MOST_IMAGES`."""

MOST_IMAGES = 48
MOST_TURNED = 4
"""The most pictures turned by EXIF on a sheet, which must show others too."""

CELL_HW = (400, 400)
"""Height and width of a picture on the sheet, pixels; its name is below it."""

STRIP_PIXELS = 22
"""Height of a line of text."""

MARGIN_PIXELS = 4
"""The space around a picture and its name."""

PAPER_GREY = 222
"""Not white, so that a white picture shows its border."""

_FONT, _FONT_SCALE, _CHARACTER_PIXELS = cv2.FONT_HERSHEY_SIMPLEX, 0.45, 9


def labelled_sheet(inspection: Inspection) -> ImageArray | None:
    """Returns a spread of a set's pictures with their boxes, every class among them.

    Args:
        inspection: of the set; pictures that cannot be used are skipped.

    Returns:
        (H, W, 3) uint8 BGR: the colours of the classes, then the pictures with their names;
        None if no picture can be shown.
    """
    usable = [one for one in (*inspection.train, *inspection.val) if _is_usable(inspection, one)]
    turned = [one for one in usable if is_turned_unseen(one, inspection.pictures[one.path])]
    chosen = turned[:MOST_TURNED]
    rest = [one for one in usable if one not in chosen]
    chosen += [rest[index] for index in spread(rest, SHEET_IMAGES - len(chosen))]
    if not chosen:
        return None
    names = inspection.class_names
    tiles = [_tile(LabelledImages(names, [one]).load(0), names) for one in chosen]
    pictures = contact_sheet(tiles, COLUMNS, (tiles[0].shape[0], tiles[0].shape[1]))
    shown = sorted({class_id for one in chosen for class_id in one.class_ids.tolist()})
    return np.vstack([_legend(shown, names, pictures.shape[1]), pictures])


def spread(labels: Sequence[ImageLabels], count: int) -> list[int]:
    """Returns the indices of pictures that show every class, and of others evenly between.

    Args:
        labels: of the pictures.
        count: how many, if there are as many; more if the classes need them, up to `MOST_IMAGES`.
    """
    classes = [frozenset(one.class_ids.tolist()) for one in labels]
    images_with = {
        class_id: [index for index, there in enumerate(classes) if class_id in there]
        for class_id in sorted(frozenset().union(*classes))
    }
    missing, chosen = set(images_with), set[int]()
    while missing and len(chosen) < MOST_IMAGES:
        rarest = min(missing, key=lambda class_id: (len(images_with[class_id]), class_id))
        best = max(images_with[rarest], key=lambda index: len(classes[index] & missing))
        chosen.add(best)
        missing -= classes[best]
    others = [index for index, there in enumerate(classes) if there and index not in chosen]
    room = min(max(count - len(chosen), 0), len(others))
    chosen |= {others[place] for place in np.linspace(0, len(others) - 1, room).astype(int)}
    return sorted(chosen)


def _is_usable(inspection: Inspection, labels: ImageLabels) -> bool:
    picture = inspection.pictures[labels.path]
    return not picture.fault and labels.size_hw in (None, picture.size_hw)


def _tile(sample: Sample, class_names: tuple[str, ...]) -> ImageArray:
    """Returns a picture fitted into a cell, its boxes drawn at that size, its name below."""
    size_hw = (sample.image_bgr.shape[0], sample.image_bgr.shape[1])
    shrinks = max(size_hw) > max(CELL_HW)
    cell = Letterbox(size_hw, CELL_HW, "area" if shrinks else "linear_exact", pad_value=PAPER_GREY)
    scores = np.ones(len(sample.class_ids), np.float32)
    boxes = cell.to_canvas(sample.boxes_xyxy)
    marked = Detections(boxes, scores, sample.class_ids, class_names)
    drawn = draw_detections(cell.apply(sample.image_bgr), marked, labels=False)
    strip = np.full((STRIP_PIXELS, CELL_HW[1], 3), PAPER_GREY, np.uint8)
    # The end of a long name differs more than its beginning.
    _write(strip, 4, sample.name[-(CELL_HW[1] // _CHARACTER_PIXELS) :])
    tile = np.vstack([drawn, strip])
    border, paper = (MARGIN_PIXELS,) * 4, (PAPER_GREY,) * 3
    return np.asarray(cv2.copyMakeBorder(tile, *border, cv2.BORDER_CONSTANT, value=paper), np.uint8)


def _legend(class_ids: Sequence[int], class_names: tuple[str, ...], width: int) -> ImageArray:
    """Returns lines that name the colour of each class."""
    lines = [np.full((STRIP_PIXELS, width, 3), PAPER_GREY, np.uint8)]
    left = 4
    for class_id in class_ids:
        name = class_names[class_id]
        needed = STRIP_PIXELS + _CHARACTER_PIXELS * (len(name) + 2)
        if left > 4 and left + needed > width:
            lines.append(np.full_like(lines[0], PAPER_GREY))
            left = 4
        corner = (left + STRIP_PIXELS - 8, STRIP_PIXELS - 5)
        cv2.rectangle(lines[-1], (left, 5), corner, class_colour_bgr(class_id), cv2.FILLED)
        _write(lines[-1], left + STRIP_PIXELS, name)
        left += needed
    return np.vstack(lines)


def _write(strip: ImageArray, left: int, text: str) -> None:
    place = (left, STRIP_PIXELS - 7)
    cv2.putText(strip, text, place, _FONT, _FONT_SCALE, (0, 0, 0), 1, cv2.LINE_AA)
