"""Checks whether results look like boxes and scores; if not, says which option to try.

Equal results prove that the file was rewritten by its signature, not that the signature is right.
A wrong one mostly shows in the figures; the rest only a look at the picture can show.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from spotlet.manifest import Manifest
from spotlet_export.adoption.signature import SUPPRESSED, OutputSignature, Signature, grid_size

Wide = npt.NDArray[np.float64]

SLACK = 1e-3
"""How far the scores of a sound network may be outside [0, 1]."""

BEST_CELLS = 20
"""Cells of one image that are checked: those with the best scores."""

FAR = 0.5
"""Share of the canvas by which sound boxes rarely extend over its border."""

TINY_PIXELS = 2.0
"""Pixels of the canvas; no object is smaller."""

ODD_SHARE = 0.5
"""Share of the best boxes that are wrong in one way; a correct signature gives few."""

APART = 0.25
"""Share of the canvas between objects in different places."""

BUSY_SHARE = 0.5
"""Share of all cells in which one class fires."""

COMMON_STRIDES = (8, 16, 32)
"""Of most grids."""


def doubts(
    found: Sequence[tuple[Wide, Wide]], signature: Signature, manifest: Manifest
) -> list[str]:
    """Returns what looks wrong, each with the option to try; empty if all looks right.

    Args:
        found: boxes (K, 4) in fractions of the canvas and scores (K, C) for each of the user's
            images, neither clipped.
        signature: with which they were found.
        manifest: with the threshold and the classes.
    """
    scores = np.concatenate([each for _, each in found])
    if not np.isfinite(scores).all():
        return ["scores that are NaN or infinite: is the pixels' range right (--scale, --mean)?"]
    wrong = _scores(scores, signature.output, manifest.classes)
    if wrong:
        return wrong
    threshold = manifest.detection.score_threshold
    best = float(scores.max())
    if best < threshold:
        return [
            f"nothing found: the best score is {best:.2g}, the threshold {threshold:g}; give an "
            "image with the objects, --score, or what the network expects: --colour, --scale, "
            "--mean, --std, --resize"
        ]
    best_boxes = np.concatenate([_best(*each) for each in found])
    return _busy(scores, threshold, signature.output, manifest.classes) + _boxes(
        best_boxes, found[0][0].shape[0], signature
    )


def _scores(scores: Wide, rule: OutputSignature, classes: tuple[str, ...]) -> list[str]:
    """Checks the range of the scores."""
    low, high = float(scores.min()), float(scores.max())
    if low < -SLACK or high > 1 + SLACK:
        outside = ((scores < -SLACK) | (scores > 1 + SLACK)).any(axis=0)
        if rule.layout not in SUPPRESSED and outside.mean() <= ODD_SHARE:
            class_id = int(outside.argmax())
            some = scores[:, class_id]
            return [
                f"class {classes[class_id]!r} has scores from {some.min():.3g} to "
                f"{some.max():.3g}, others from 0 to 1: its column holds something else; is the "
                "number of --classes right?"
            ]
        likely = "softmax, or sigmoid" if rule.background != "none" else "sigmoid, or softmax"
        return [
            f"scores range from {low:.3g} to {high:.3g}, not from 0 to 1: logits? --activation "
            f"{likely}"
        ]
    # The sigmoid of 0 and of 1, the range that it makes of scores; with an objectness, squared.
    least, most = 0.5, 1 / (1 + np.exp(-1))
    if rule.layout == "K,5+C":
        least, most = least**2, most**2
    activated_twice = least - SLACK <= low and high <= most + SLACK
    if rule.activation == "sigmoid" and activated_twice and rule.layout not in SUPPRESSED:
        return [
            f"all scores are from {low:.2g} to {high:.2g}: already activated? --activation none"
        ]
    columns = rule.classes + (rule.background != "none")
    if rule.activation == "softmax" and columns > 1 and high <= np.e / (np.e + columns - 1) + SLACK:
        return [f"no score is over {high:.2g}: already activated? --activation none"]
    return []


def _busy(
    scores: Wide, threshold: float, rule: OutputSignature, classes: tuple[str, ...]
) -> list[str]:
    """Checks whether one class is everywhere."""
    if rule.layout in SUPPRESSED or len(scores) < 2 * BEST_CELLS:
        return []
    share = (scores >= threshold).mean(axis=0)
    class_id = int(share.argmax())
    if share[class_id] < BUSY_SHARE:
        return []
    where = {0: "first", len(classes) - 1: "last"}.get(class_id)
    background = f"the background (--background {where}, without its name), " if where else ""
    return [
        f"class {classes[class_id]!r} fires in {share[class_id]:.0%} of all cells: is it "
        f"{background}no class at all, or is --activation wrong?"
    ]


def _best(boxes: Wide, scores: Wide) -> Wide:
    """Returns the boxes with the best scores, (M, 4), without padded rows."""
    best = scores.max(axis=1)
    return boxes[np.argsort(-best, kind="stable")[: min(BEST_CELLS, np.count_nonzero(best > 0))]]


def _boxes(boxes: Wide, cells: int, signature: Signature) -> list[str]:
    """Checks the best boxes."""
    rule, size_hw = signature.output, signature.input.size_hw
    if not np.isfinite(boxes).all():
        return ["boxes that are NaN or infinite: wrong --layout or --strides?"]
    pixels = boxes * np.array([size_hw[1], size_hw[0]] * 2)
    sizes = pixels[:, 2:] - pixels[:, :2]
    undecoded = _undecoded(cells, signature)
    turned = "xyxy" if rule.box_format.startswith("c") else "cxcywh"
    if _makes_no_boxes(boxes, rule.box_format):
        return [f"neither corners nor centres make boxes{undecoded or _anchored(rule)}"]
    if len(boxes) > 2 and np.ptp(boxes, axis=0).max() < SLACK:
        return [f"the best {len(boxes)} boxes are identical{undecoded or ': wrong --layout?'}"]
    if np.mean(np.abs(pixels[:, 2:]).max(axis=1) < TINY_PIXELS) > ODD_SHARE or (
        np.mean(np.abs(sizes).max(axis=1) < TINY_PIXELS) > ODD_SHARE
    ):
        return ["boxes smaller than a pixel: fractions of the canvas? --box-unit unit" + undecoded]
    if np.mean((np.abs(boxes) > 1 + 10 * FAR).any(axis=1)) > ODD_SHARE:
        return [
            f"boxes extend to {np.abs(boxes).max():.3g} times the canvas: pixels? --box-unit pixels"
            f"{undecoded}"
        ]
    if np.mean((sizes <= 0).any(axis=1)) > ODD_SHARE:
        return [f"boxes end before they start: --box-format {turned}{undecoded}"]
    if _corners_as_sizes(boxes):
        return [f"boxes grow with their distance from the upper left corner: --box-format {turned}"]
    if np.mean(((boxes < -FAR) | (boxes > 1 + FAR)).any(axis=1)) > ODD_SHARE:
        return [f"boxes extend far beyond the canvas: --box-format {turned}{undecoded}"]
    return []


def _makes_no_boxes(boxes: Wide, box_format: str) -> bool:
    """Returns whether many boxes end before they start, read as centre and size and as corners."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    turned = sizes - centres if box_format.startswith("c") else boxes[:, 2:]
    if box_format == "xywh":
        turned = sizes - boxes[:, :2]
    return all(np.mean((each <= 0).any(axis=1)) > ODD_SHARE / 2 for each in (sizes, turned))


def _anchored(rule: OutputSignature) -> str:
    """Returns the hint that boxes may be offsets from anchors."""
    if rule.anchors is not None or rule.strides or rule.grids is not None:
        return ""
    if rule.layout == "boxes+scores":
        return ": offsets from anchors? --layout ssd --anchors FILE"
    return ": offsets from anchors? export it with decoded boxes"


def _corners_as_sizes(boxes: Wide) -> bool:
    """Returns whether lower right corners seem to have been read as sizes.

    Then every box is larger than the distance of its centre from 0, on both axes and all over the
    canvas. Among sound boxes, only large ones in the upper left corner are.
    """
    centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    all_over = bool(np.ptp(centres, axis=0).max() > APART)
    return all_over and bool((sizes > centres).all(axis=1).mean() > 1 - ODD_SHARE / 5)


def _undecoded(cells: int, signature: Signature) -> str:
    """Returns the hint that boxes may be offsets in a grid, if the number of cells fits."""
    rule = signature.output
    if rule.strides or rule.grids or grid_size(signature.input.size_hw, COMMON_STRIDES) != cells:
        return ""
    return f"; or not decoded: --strides {','.join(map(str, COMMON_STRIDES))}"
