"""Does what a network finds look like boxes and scores? If not: which option to try.

Equality with the original says that the signature was carried out, not that it was the right one.
What is wrong with a signature mostly shows in the figures; the rest only the eye can see.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from spotlet.manifest import Manifest
from spotlet_export.adoption.signature import SUPPRESSED, OutputSignature, Signature, grid_size

Wide = npt.NDArray[np.float64]

SLACK = 1e-3
"""By which a sound network's scores leave [0, 1]."""

BEST_PLACES = 20
"""Of one image, those with the best scores: what a network means is seen in them."""

FAR = 0.5
"""Share of the canvas by which sound boxes hardly reach over its border."""

TINY_PIXELS = 2.0
"""Sides of the canvas's pixels below which no object is seen."""

ODD_SHARE = 0.5
"""Of the best boxes that are wrong in one way: a network that is read right has few."""

APART = 0.25
"""Of the canvas, between objects that are not at the same place."""

BUSY_SHARE = 0.5
"""Of all places in which one class fires."""

COMMON_STRIDES = (8, 16, 32)
"""Of most grids."""


def doubts(
    found: Sequence[tuple[Wide, Wide]], signature: Signature, manifest: Manifest
) -> list[str]:
    """Returns what looks wrong, each with the option to try; none where it all looks right.

    Args:
        found: of each of the user's images boxes (K, 4) in parts of the canvas and scores (K, C),
            neither cut.
        signature: by which they were found.
        manifest: with the threshold and the classes.
    """
    scores = np.concatenate([each for _, each in found])
    if not np.isfinite(scores).all():
        return ["scores that are no numbers: is the range of the pixels right (--scale, --mean)?"]
    wrong = _scores(scores, signature.output)
    if wrong:
        return wrong
    threshold = manifest.detection.score_threshold
    best = float(scores.max())
    if best < threshold:
        return [
            f"nothing found: the best score is {best:.2g}, the threshold {threshold:g}; give an "
            "image with the objects, --score, or what the network wants to see: --colour, --scale, "
            "--mean, --std, --resize"
        ]
    best_boxes = np.concatenate([_best(*each) for each in found])
    return _busy(scores, threshold, signature.output, manifest.classes) + _boxes(
        best_boxes, found[0][0].shape[0], signature
    )


def _scores(scores: Wide, rule: OutputSignature) -> list[str]:
    """Returns what is wrong with the range of the scores."""
    low, high = float(scores.min()), float(scores.max())
    if low < -SLACK or high > 1 + SLACK:
        return [
            f"scores run from {low:.3g} to {high:.3g}, not from 0 to 1: logits? --activation "
            "sigmoid, or softmax"
        ]
    # The sigmoid of 0 and of 1: what it makes of scores. With an objectness, their squares.
    least, most = 0.5, 1 / (1 + np.exp(-1))
    if rule.layout == "K,5+C":
        least, most = least**2, most**2
    activated_twice = least - SLACK <= low and high <= most + SLACK
    if rule.activation == "sigmoid" and activated_twice and rule.layout not in SUPPRESSED:
        return [
            f"all scores lie from {low:.2g} to {high:.2g}: activated already? --activation none"
        ]
    columns = rule.classes + (rule.background != "none")
    if rule.activation == "softmax" and columns > 1 and high <= np.e / (np.e + columns - 1) + SLACK:
        return [f"no score is over {high:.2g}: activated already? --activation none"]
    return []


def _busy(
    scores: Wide, threshold: float, rule: OutputSignature, classes: tuple[str, ...]
) -> list[str]:
    """Returns what is wrong where one class is everywhere."""
    if rule.layout in SUPPRESSED or len(scores) < 2 * BEST_PLACES:
        return []
    share = (scores >= threshold).mean(axis=0)
    class_id = int(share.argmax())
    if share[class_id] < BUSY_SHARE:
        return []
    return [
        f"class {classes[class_id]!r} fires in {share[class_id]:.0%} of all places: is it the "
        "background (--background first or last), or the scores not as they should be "
        "(--activation)?"
    ]


def _best(boxes: Wide, scores: Wide) -> Wide:
    """Returns the boxes with the best scores, (M, 4); rows without any are only filled up."""
    best = scores.max(axis=1)
    return boxes[np.argsort(-best, kind="stable")[: min(BEST_PLACES, np.count_nonzero(best > 0))]]


def _boxes(boxes: Wide, places: int, signature: Signature) -> list[str]:
    """Returns what is wrong with the best boxes."""
    rule, size_hw = signature.output, signature.input.size_hw
    if not np.isfinite(boxes).all():
        return ["boxes that are no numbers: --layout, or --strides, must be others"]
    pixels = boxes * np.array([size_hw[1], size_hw[0]] * 2)
    sizes = pixels[:, 2:] - pixels[:, :2]
    undecoded = _undecoded(places, signature)
    turned = "xyxy" if rule.box_format.startswith("c") else "cxcywh"
    if len(boxes) > 2 and np.ptp(boxes, axis=0).max() < SLACK:
        return [f"the best {len(boxes)} boxes are all the same{undecoded or ': --layout?'}"]
    if np.mean(np.abs(pixels[:, 2:]).max(axis=1) < TINY_PIXELS) > ODD_SHARE or (
        np.mean(np.abs(sizes).max(axis=1) < TINY_PIXELS) > ODD_SHARE
    ):
        return [
            "boxes smaller than a pixel: parts of the canvas, not pixels? --box-unit unit"
            + undecoded
        ]
    if np.mean((np.abs(boxes) > 1 + 10 * FAR).any(axis=1)) > ODD_SHARE:
        return [
            f"boxes reach to {np.abs(boxes).max():.3g} times the canvas: pixels, not parts of it? "
            f"--box-unit pixels{undecoded}"
        ]
    if np.mean((sizes <= 0).any(axis=1)) > ODD_SHARE:
        return [f"boxes end before they begin: --box-format {turned}{undecoded}"]
    if _corners_as_sizes(boxes):
        return [f"boxes grow with their distance from the left upper corner: --box-format {turned}"]
    if np.mean(((boxes < -FAR) | (boxes > 1 + FAR)).any(axis=1)) > ODD_SHARE:
        return [f"boxes reach far over the canvas: --box-format {turned}{undecoded}"]
    return []


def _corners_as_sizes(boxes: Wide) -> bool:
    """Returns whether right lower corners seem to have been read as sizes.

    Then every box is larger than its centre is far from 0, on both axes and all over the canvas.
    Of sound boxes only large ones in the left upper corner are.
    """
    centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    all_over = bool(np.ptp(centres, axis=0).max() > APART)
    return all_over and bool((sizes > centres).all(axis=1).mean() > 1 - ODD_SHARE / 5)


def _undecoded(places: int, signature: Signature) -> str:
    """Returns the hint that boxes may be offsets in a grid, where there are as many places."""
    rule = signature.output
    if rule.strides or grid_size(signature.input.size_hw, COMMON_STRIDES) != places:
        return ""
    return f"; or undecoded: --strides {','.join(map(str, COMMON_STRIDES))}"
