"""The record of the frozen scenes, and how far other scenes are from it.

A digest of every pixel tells whether scenes are exactly the recorded ones. Another processor or
OpenCV rounds some pixels differently, so there are landmarks too: for each scene its class, and
figures that rounding hardly moves.
"""

import hashlib
import json
from importlib import resources

import numpy as np
import numpy.typing as npt

from spotlet_training.localization.scenes import FrozenScenes, Variant
from spotlet_training.scenes.fashion import Split

RECORD_FILE = "frozen.json"
"""The file beside this module with the garments of each split, scene by scene, and digests."""

LANDMARKS_FILE = "landmarks.npz"
"""The file beside this module with an array of landmarks for each set and split."""

BOX_TOLERANCE = 2.0
"""Greatest difference of a box's side, pixels."""

GREY_TOLERANCE = 0.5
"""Greatest difference of a scene's mean or standard deviation, levels of 255."""

Landmarks = npt.NDArray[np.float32]


def digest_of(*parts: FrozenScenes) -> str:
    """Returns the SHA-256 of scenes: every pixel, box and class."""
    digest = hashlib.sha256()
    for part in parts:
        for tensor in (part.images, part.boxes, part.class_ids):
            digest.update(np.ascontiguousarray(tensor.numpy()).data)
    return digest.hexdigest()


def landmarks_of(part: FrozenScenes) -> Landmarks:
    """Returns (N, 9) float32, for each scene figures that hardly depend on rounding.

    Its class; the four sides of its box, pixels; the means of blue, green and red, and the
    standard deviation of all three, levels.
    """
    count, height, width = part.images.shape[:3]
    boxes = part.boxes.numpy() * np.array([width, height, width, height], np.float32)
    rows = []
    for index, image in enumerate(part.images.numpy()):
        means = image.mean(axis=(0, 1), dtype=np.float64)
        rows.append([*boxes[index], *means, image.std(dtype=np.float64)])
    classes = part.class_ids.numpy().reshape(count, 1)
    return np.round(np.hstack([classes, np.array(rows)]), 2).astype(np.float32)


def difference(found: Landmarks, recorded: Landmarks) -> str:
    """Returns what differs by more than rounding, in words; empty if nothing does."""
    if found.shape != recorded.shape:
        return f"{len(found)} scenes, not {len(recorded)}"
    apart = np.abs(found - recorded)
    for what, columns, tolerance in (
        ("class", slice(0, 1), 0.0),
        ("box", slice(1, 5), BOX_TOLERANCE),
        ("grey", slice(5, 9), GREY_TOLERANCE),
    ):
        wrong = np.flatnonzero((apart[:, columns] > tolerance).any(axis=1))
        if len(wrong):
            return f"another {what} in {len(wrong)} scenes, the first is {wrong[0]}"
    return ""


def set_name(variant: Variant, *, quick: bool) -> str:
    """Returns the name of a set in the record."""
    return f"{variant}-quick" if quick else variant


def recorded_digest(name: str) -> str:
    """Returns the recorded SHA-256 of a set, hexadecimal."""
    text = resources.files(__package__).joinpath(RECORD_FILE).read_text("utf-8")
    return str(json.loads(text)["sha256"][name])


def recorded_landmarks(name: str, split: Split) -> Landmarks:
    """Returns the recorded landmarks of a set's split."""
    path = resources.files(__package__).joinpath(LANDMARKS_FILE)
    with resources.as_file(path) as file, np.load(file) as arrays:
        landmarks: Landmarks = arrays[f"{name}-{split}"]
        return landmarks
