"""Findings from labels alone: classes, empty images, objects marked twice, small boxes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from spotlet.boxes import box_iou
from spotlet_training.datasets import ImageLabels
from spotlet_training.datasets.findings import Finding, Kind, Severity
from spotlet_training.datasets.splits import STRAY_CLICK_PIXELS
from spotlet_training.inspection.box_sizes import FINEST_STRIDE, BoxSizes, larger_canvas

DOUBLED_IOU = 0.7
"""IoU from which two boxes of an image mark one object. In the 10,000 boxes of blood cells, cards
and circuit boards, seven pairs have 0.83 to 0.93, all of one blood cell that was marked twice; no
other pair has more than 0.60."""

VANISHING_PIXELS, THIN_PIXELS = 1, 2
"""Shorter sides on the canvas. Under the first, the device's letterbox, which interpolates between
two pixels of a frame, may leave an object out; under the second, its edges are blurred."""

PLACE_WORDS = {".json": "annotation", ".txt": "line", ".xml": "object"}
"""What `ImageLabels.places` counts in each kind of label file: COCO's, YOLO's, VOC's."""


def count_boxes(labels: Sequence[ImageLabels], class_count: int) -> list[int]:
    """Returns how many boxes each class has, ignored ones left out."""
    ids = np.concatenate([np.zeros(0, np.int64), *(one.class_ids[~one.ignored] for one in labels)])
    return [int(count) for count in np.bincount(ids, minlength=class_count)]


def class_findings(
    train: Sequence[ImageLabels], val: Sequence[ImageLabels], class_names: tuple[str, ...]
) -> list[Finding]:
    """Returns the classes that cannot be learned, or cannot be measured."""
    train_counts = count_boxes(train, len(class_names))
    val_counts = count_boxes(val, len(class_names))
    findings = []
    for name, learned, measured in zip(class_names, train_counts, val_counts, strict=True):
        if not learned:
            message = f"class {name!r} has no training box and would never be found"
            remedy = "label some objects, or remove the class"
            findings.append(Finding("error", "class", f"{message}; {remedy}"))
        if not measured and any(val_counts):
            message = f"class {name!r} has no validation box and cannot be measured; label some"
            findings.append(Finding("note", "class", message))
    if val and not any(val_counts):
        message = "no labelled object in the validation images; label some"
        findings.append(Finding("error", "class", message))
    return findings


def size_findings(
    sizes: BoxSizes, canvas_hw: tuple[int, int], class_names: tuple[str, ...]
) -> list[Finding]:
    """Returns findings on training boxes that are too small to be found on a canvas.

    Args:
        sizes: of the training boxes.
        canvas_hw: height and width of that canvas, pixels.
        class_names: the classes.
    """
    if sizes.mostly_tiny:
        return [_too_small("error", "", sizes, canvas_hw)]
    return [
        _too_small("note", f" of class {name!r}", of_class, canvas_hw)
        for class_id, name in enumerate(class_names)
        if (of_class := sizes.of_class(class_id)).mostly_tiny
    ]


def thin_findings(
    thickness: BoxSizes, canvas_hw: tuple[int, int], class_names: tuple[str, ...]
) -> list[Finding]:
    """Returns the classes whose training boxes are mostly too thin to be seen on a canvas.

    Args:
        thickness: the shorter sides of the training boxes.
        canvas_hw: height and width of that canvas, pixels.
        class_names: the classes.
    """
    findings = []
    for class_id, name in enumerate(class_names):
        of_class = thickness.of_class(class_id)
        if of_class.mostly_under(THIN_PIXELS):
            vanishes = of_class.mostly_under(VANISHING_PIXELS)
            limit = VANISHING_PIXELS if vanishes else THIN_PIXELS
            harm = "may not be drawn on it at all" if vanishes else "are found less reliably"
            message = (
                f"{int((of_class.sides < limit).sum())} of {len(of_class.sides)} training boxes of "
                f"class {name!r} are under {limit} pixel{'s' * (limit > 1)} thick on a canvas of "
                f"{canvas_hw[1]} x {canvas_hw[0]} and {harm}; "
                f"{_larger(of_class, canvas_hw, limit)}"
            )
            findings.append(Finding("error" if vanishes else "note", "tiny boxes", message))
    return findings


def doubled_findings(labels: Sequence[ImageLabels], class_names: tuple[str, ...]) -> list[Finding]:
    """Returns findings on objects that two boxes mark."""
    findings = []
    for one in labels:
        word = _place_word(one)
        iou = np.triu(box_iou(one.boxes_xyxy, one.boxes_xyxy), 1)
        iou[one.ignored] = iou[:, one.ignored] = 0
        for first, second in np.argwhere(iou >= DOUBLED_IOU).tolist():
            names = [class_names[one.class_ids[index]] for index in (first, second)]
            places = [one.places[index] for index in (first, second)]
            both = names[0] if names[0] == names[1] else f"{names[0]} and {names[1]}"
            message = (
                f"{word} {places[0]} and {word} {places[1]} ({both}) overlap by IoU "
                f"{iou[first, second]:.2f} and count as two objects in {one.path.name}; keep one"
            )
            findings.append(_at("doubled box", message, one, places[1]))
    return findings


def stray_findings(
    labels: Sequence[ImageLabels], sizes_hw: Mapping[Path, tuple[int, int]]
) -> list[Finding]:
    """Returns findings on boxes that are too small in their image to be intended.

    Args:
        labels: of the images.
        sizes_hw: height and width of those that could be decoded.
    """
    findings = []
    for one in labels:
        height, width = sizes_hw.get(one.path, (0, 0)) if one.size_hw is None else (1, 1)
        if not height:
            continue
        sides = (one.boxes_xyxy[:, 2:] - one.boxes_xyxy[:, :2]) * (width, height)
        for index in np.flatnonzero(sides.max(axis=1, initial=0.0) < STRAY_CLICK_PIXELS):
            place = f"{_place_word(one)} {one.places[index]}"
            message = (
                f"{place} is a box under {STRAY_CLICK_PIXELS} pixels in {one.path.name}, likely a "
                "stray click; remove it if so"
            )
            findings.append(_at("tiny boxes", message, one, one.places[index]))
    return findings


def empty_findings(labels: Sequence[ImageLabels], class_count: int) -> list[Finding]:
    """Returns the images without any object, which teach the background, or nothing."""
    background = "no labelled object; if there is one to see, label it"
    nothing = "no labelled object and no class known to be absent, so it teaches nothing; label it"
    return [
        Finding(
            "note",
            "no objects",
            nothing if len(one.unknown_ids) == class_count else background,
            one.path,
        )
        for one in labels
        if not len(one.class_ids)
    ]


def _at(kind: Kind, message: str, labels: ImageLabels, place: int) -> Finding:
    """Returns a note on a place in a label file."""
    return Finding(
        "note", kind, message, labels.label_file, place if _place_word(labels) == "line" else None
    )


def _place_word(labels: ImageLabels) -> str:
    return PLACE_WORDS[labels.label_file.suffix.lower()]


def _too_small(
    severity: Severity, which: str, sizes: BoxSizes, canvas_hw: tuple[int, int]
) -> Finding:
    message = (
        f"{sizes.tiny} of {len(sizes.sides)} training boxes{which} are under {FINEST_STRIDE} "
        f"pixels on a canvas of {canvas_hw[1]} x {canvas_hw[0]}, less than the finest cell of "
        f"the network; {_larger(sizes, canvas_hw, FINEST_STRIDE)}"
    )
    return Finding(severity, "tiny boxes", message)


def _larger(sizes: BoxSizes, canvas_hw: tuple[int, int], goal: float) -> str:
    """Returns the remedy for boxes that are too small: a canvas on which half reach the goal."""
    larger = larger_canvas(sizes, canvas_hw, goal)
    if larger is None:
        return "train and run with --tiles"
    square = larger[0] == larger[1]
    text = str(larger[0]) if square else f"{larger[0]}x{larger[1]}"
    return f"use --image-size {text} or more, or train and run with --tiles"
