"""Freezes the scenes: `python -m spotlet_training.localization.freeze`.

Needs all of Fashion-MNIST. Done once: other garments or other settings are another experiment.
"""

import sys
from pathlib import Path

import numpy as np

from spotlet_training.localization.frozen import (
    COUNTS,
    by_turns,
    compose_scenes,
    frozen_objects,
    sheet_path,
)
from spotlet_training.localization.record import digest_of, landmarks_of, set_name, write_record
from spotlet_training.localization.scenes import SPLITS, VARIANTS
from spotlet_training.scenes.dataset import VALIDATION_OBJECTS
from spotlet_training.scenes.fashion import FashionObjects, Split, load_fashion
from spotlet_training.scenes.make_sample import write_sheet
from spotlet_training.scenes.typical import is_typical

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
    write_record(Path(__file__).parent, chosen, digests, landmarks)
    return 0


if __name__ == "__main__":
    sys.exit(main())
