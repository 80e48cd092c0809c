"""Measures the features that the box heads of the localization experiment add up.

    python benchmarks/features.py OUT        # of `spotlet experiment localization --out OUT`

For every run of a flattening network: the sum of the features of a held-out scene, mean over
the first 100. One step of Adam moves each of the box head's weights by about the learning rate,
so a side moves by up to the learning rate times this sum, in canvases.
"""

import argparse
import statistics
from pathlib import Path

import torch

from spotlet.text.terminal import table
from spotlet_training.localization.frozen import frozen_set
from spotlet_training.localization.ladder import ladder
from spotlet_training.localization.runs import checkpoint_path, load_localizer
from spotlet_training.network import FlatLocalizer

SCENES = 100


def main() -> None:
    """Prints a line for each step: the mean over its seeds."""
    parser = argparse.ArgumentParser(description="feature sums of the experiment's networks")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    images = frozen_set("plain").val.images[:SCENES]
    rows = []
    for step in ladder():
        sums = []
        for seed in range(3):
            if not checkpoint_path(args.out, step.name, seed).is_file():
                continue
            network = load_localizer(args.out, step.name, seed)
            if isinstance(network, FlatLocalizer):
                with torch.inference_mode():
                    sums.append(float(network.features(images).sum(dim=1).mean()))
        if sums:
            rows.append((step.name, len(sums), round(statistics.mean(sums))))
    print(table(rows, header=("step", "seeds", "sum of features")))


if __name__ == "__main__":
    main()
