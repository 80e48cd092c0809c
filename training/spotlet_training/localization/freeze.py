"""Freezes the scenes: `python -m spotlet_training.localization.freeze`.

Needs all of Fashion-MNIST. Done once: other garments or other settings are another experiment.
"""

import json
import sys
from pathlib import Path

import numpy as np

from spotlet.atomic import atomic_file
from spotlet_training.localization.frozen import (
    RECORD,
    SPLITS,
    VARIANTS,
    by_turns,
    compose_split,
    digest_of,
    landmarks_of,
    record_key,
)
from spotlet_training.scenes.dataset import VALIDATION_OBJECTS
from spotlet_training.scenes.fashion import FashionObjects, Split, load_fashion
from spotlet_training.scenes.typical import is_typical

NEIGHBOURS = 10
"""Nearest photos that must be of a garment's class."""

TRAIN_CANDIDATES = slice(0, 12000)
"""Judged by the others of the 60,000; held-out garments are judged by all of them."""

COUNTS: dict[Split, int] = {"train": 1200, "t10k": 1000}


def choose_objects() -> dict[Split, list[int]]:
    """Returns for each split the garments' indices, scene by scene, the classes in turn."""
    train = load_fashion("train")
    held_out = load_fashion("t10k").select(VALIDATION_OBJECTS)
    others = train.select(slice(TRAIN_CANDIDATES.stop, None))
    chosen: dict[Split, list[int]] = {}
    judged: dict[Split, tuple[FashionObjects, FashionObjects]] = {
        "train": (train.select(TRAIN_CANDIDATES), others),
        "t10k": (held_out, train),
    }
    for split, (candidates, known) in judged.items():
        typical = np.flatnonzero(is_typical(candidates, known, NEIGHBOURS))
        turns = by_turns(candidates.select(typical), COUNTS[split])
        chosen[split] = typical[turns].tolist()
    return chosen


def main() -> int:
    """Writes the record; returns the exit code."""
    record: dict[str, object] = {"objects": choose_objects()}
    path = Path(__file__).parent / RECORD
    path.write_text(json.dumps(record), "utf-8")  # what is composed next reads it
    for variant in VARIANTS:
        for quick in (False, True):
            parts = [compose_split(split, variant, quick=quick) for split in SPLITS]
            record[record_key(variant, quick=quick)] = {
                "sha256": digest_of(*parts),
                "landmarks": [landmarks_of(part) for part in parts],
            }
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(record, separators=(",", ":")) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
