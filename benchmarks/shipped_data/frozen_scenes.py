"""Freezes the scenes of the localization experiment: their garments, digests and landmarks.

    python -m benchmarks.shipped_data.frozen_scenes

wrote `garments-*.png`, `frozen.json` and `landmarks.npz` in
`training/spotlet_training/localization`. Needs all of Fashion-MNIST. Run once: other garments or
other settings are another experiment.
"""

import json
import sys
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from benchmarks.shipped_data.sample import write_sheet
from benchmarks.shipped_data.typical import is_typical

from spotlet_training.localization.frozen import (
    COUNTS,
    by_turns,
    compose_scenes,
    frozen_objects,
    sheet_path,
)
from spotlet_training.localization.record import (
    LANDMARKS_FILE,
    RECORD_FILE,
    Landmarks,
    digest_of,
    landmarks_of,
    set_name,
)
from spotlet_training.localization.scenes import SPLITS, VARIANTS
from spotlet_training.scenes.dataset import VALIDATION_OBJECTS
from spotlet_training.scenes.fashion import FashionObjects, Split, load_fashion

FOLDER = sheet_path("train").parent
"""Of the experiment's frozen files."""

NEIGHBOURS = 10
"""Nearest photos that must be of a garment's class."""

TRAIN_CANDIDATES = slice(0, 12000)
"""Judged by the others of the 60,000; held-out garments are judged by all of them."""


def choose_objects() -> dict[Split, list[int]]:
    """Returns for each split the garments' indices, scene by scene, the classes in turn."""
    train = load_fashion("train")
    others = train.select(slice(TRAIN_CANDIDATES.stop, None))
    held_out = load_fashion("t10k").select(VALIDATION_OBJECTS)
    judged: dict[Split, tuple[FashionObjects, FashionObjects, int]] = {
        "train": (train.select(TRAIN_CANDIDATES), others, TRAIN_CANDIDATES.start),
        "t10k": (held_out, train, VALIDATION_OBJECTS.start),
    }
    chosen: dict[Split, list[int]] = {}
    for split, (candidates, known, first) in judged.items():
        typical = np.flatnonzero(is_typical(candidates, known, NEIGHBOURS))
        turns = by_turns(candidates.select(typical), COUNTS[split])
        chosen[split] = (typical[turns] + first).tolist()
    return chosen


def write_record(
    objects: dict[Split, list[int]],
    digests: dict[str, str],
    landmarks: Mapping[str, Sequence[tuple[Split, Landmarks]]],
) -> None:
    """Writes the record's two files into `FOLDER`."""
    content = {"objects": objects, "sha256": digests}
    text = json.dumps(content, separators=(",", ":"))
    (FOLDER / RECORD_FILE).write_text(text + "\n", "utf-8")
    arrays = {f"{name}-{split}": rows for name, parts in landmarks.items() for split, rows in parts}
    np.savez_compressed(FOLDER / LANDMARKS_FILE, **arrays)  # type: ignore[arg-type]


def recorded_objects(split: Split) -> npt.NDArray[np.int64]:
    """Returns the indices of the full sets' garments in a split, scene by scene."""
    content = json.loads((FOLDER / RECORD_FILE).read_text("utf-8"))
    return np.array(content["objects"][split], np.int64)


def main() -> int:
    """Writes the garments and the record; returns the exit code."""
    chosen = choose_objects()
    for split in SPLITS:
        garments = load_fashion(split).select(np.array(chosen[split], np.int64))
        write_sheet(sheet_path(split), garments.photos)
    digests, landmarks = {}, {}
    for variant in VARIANTS:
        for quick in (False, True):
            name = set_name(variant, quick=quick)
            parts = []
            for split in SPLITS:
                objects = frozen_objects(split, quick=quick)
                parts.append((split, compose_scenes(split, variant, objects)))
            digests[name] = digest_of(*(part for _, part in parts))
            landmarks[name] = [(split, landmarks_of(part)) for split, part in parts]
    write_record(chosen, digests, landmarks)
    return 0


if __name__ == "__main__":
    sys.exit(main())
