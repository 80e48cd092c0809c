"""Errors that training refuses, because they would silently harm the result."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from spotlet.errors import DatasetError
from spotlet.manifest import NO_TILES
from spotlet.tiles import TileSettings
from spotlet_training.datasets import Splits
from spotlet_training.datasets.findings import Finding, errors, first_few
from spotlet_training.inspection.box_sizes import measure_boxes
from spotlet_training.inspection.copies import LEAK
from spotlet_training.inspection.label_rules import (
    class_findings,
    size_findings,
    thin_findings,
)


def require_harmless(
    root: str | Path,
    splits: Splits,
    canvas_hw: tuple[int, int],
    *,
    accept: bool = False,
    tiles: TileSettings = NO_TILES,
) -> list[str]:
    """Raises if a set has an error that would silently harm a training.

    No image is decoded, so this is quick; `inspect_sets` checks more.

    Args:
        root: of the set or sets, for the message.
        splits: the set.
        canvas_hw: height and width of the network's canvas, pixels.
        accept: return the errors as lines to show, and raise nothing.
        tiles: in which the device will search.

    Returns:
        Nothing if the set has no error.

    Raises:
        DatasetError: a class without a training box, a training image among the validation
            images, more than half of the boxes smaller than the network's finest cell, or more
            than half of a class under a pixel thick.
    """
    found = harmful_findings(splits, canvas_hw, tiles)
    if found and not accept:
        raise DatasetError(
            f"{root}: {first_few(found)}; `spotlet data check` lists everything, --accept-problems "
            "trains anyway"
        )
    return [str(finding) for finding in found]


def harmful_findings(
    splits: Splits, canvas_hw: tuple[int, int], tiles: TileSettings = NO_TILES
) -> list[Finding]:
    """Returns the errors found in the labels and the files' bytes, without decoding."""
    train, val, names = splits.train.labels, splits.val.labels, splits.class_names
    sizes = measure_boxes(train, canvas_hw, {}, tiles=tiles)
    thickness = measure_boxes(train, canvas_hw, {}, shorter=True, tiles=tiles)
    findings = class_findings(train, val, names) + size_findings(sizes, canvas_hw, names)
    findings += thin_findings(thickness, canvas_hw, names)
    shared = same_files([one.path for one in train], [one.path for one in val])
    if shared:
        message = (
            f"validation images that are training images too: {len(shared)} of {len(val)} "
            f"({shared[0].name}); {LEAK}"
        )
        findings.append(Finding("error", "copies", message))
    return errors(findings)


def same_files(train: Sequence[Path], val: Sequence[Path]) -> list[Path]:
    """Returns the files of `val` that are in `train`, under the same name or byte for byte.

    Only files of equal length are read. One that cannot be read is skipped: decoding it will
    fail.
    """
    named = {path.resolve() for path in train}
    lengths = {path: _length(path) for path in (*train, *val)}
    common = {lengths[path] for path in train} & {lengths[path] for path in val} - {None}
    contents = {_digest(path) for path in train if lengths[path] in common} - {None}
    return [
        path
        for path in val
        if path.resolve() in named or (lengths[path] in common and _digest(path) in contents)
    ]


def _length(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _digest(path: Path) -> bytes | None:
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
    except OSError:
        return None
