"""Measures what labels that are not complete cost, with and without saying so.

    python -m benchmarks.partial_labels DATASET --class NAME --out DIR
        [--seeds 0 1 2] [--epochs 36] [--batch-size 4] [--size pico] [--image-size 288x384]
        [--share 0.5] [--threads 1]

From a share of the training pictures, the boxes of one class are removed. Three trainings each
seed: `full` has all boxes, `declared` says of which pictures that class is unknown in, and
`undeclared` does not, as if there were none. All are measured on the whole validation set.

Run it from the repository's root, in an environment with `spotlet[export]`. Finished trainings
stay in `--out` and are not repeated.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import cv2
import numpy as np
import torch

from spotlet.atomic import atomic_file
from spotlet.errors import SpotletError, UsageError
from spotlet.text.terminal import table
from spotlet_training.commands.recipe_options import parse_size
from spotlet_training.datasets import ImageLabels, LabelledImages, Splits, open_splits
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.training import Epoch, train

FULL, DECLARED, UNDECLARED = VARIANTS = ("full", "declared", "undeclared")

RESULT = "result.json"


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.partial_labels", description="partial labels, declared or not"
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--class", dest="class_name", required=True, help="whose boxes go")
    parser.add_argument("--out", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--epochs", type=int, default=36)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--size", default="pico")
    parser.add_argument("--image-size", default="288x384")
    parser.add_argument("--share", type=float, default=0.5, help="of the training pictures")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def main() -> int:
    """Runs the trainings that are missing; prints a table, and writes `result.json`."""
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    try:
        splits = open_splits(args.dataset)
        if args.class_name not in splits.class_names:
            names = ", ".join(splits.class_names)
            raise UsageError(f"--class {args.class_name!r}: must be one of {names}")
        class_id = splits.class_names.index(args.class_name)
        results = []
        for seed in args.seeds:
            for variant in args.variants:
                images = partial(splits, class_id, variant, args.share)
                settings = TrainingSettings(
                    size=args.size,
                    epochs=args.epochs,
                    batch_size=args.batch_size,
                    size_hw=parse_size(args.image_size),
                    seed=seed,
                    loaders=args.threads,
                )
                out = args.out / f"{variant}-{seed}"
                results.append(finished(images, splits, settings, out) | {"variant": variant})
                with atomic_file(args.out / RESULT) as temporary:
                    temporary.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
        print(table(rows(results, args.class_name), ("labels", "seed", args.class_name, "all")))
    except SpotletError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def partial(splits: Splits, class_id: int, variant: str, share: float) -> LabelledImages:
    """Returns the training images of a variant; the same pictures lose boxes in both.

    Args:
        splits: the set.
        class_id: whose boxes are removed.
        variant: one of `VARIANTS`.
        share: of the pictures, in [0, 1].
    """
    labels = splits.train.labels
    order = np.random.default_rng(0).permutation(len(labels))
    chosen = set(order[: round(share * len(labels))].tolist() if variant != FULL else [])
    unknown = (class_id,) if variant == DECLARED else ()
    return LabelledImages(
        splits.class_names,
        [
            without(one, class_id, unknown) if index in chosen else one
            for index, one in enumerate(labels)
        ],
    )


def without(labels: ImageLabels, class_id: int, unknown_ids: tuple[int, ...]) -> ImageLabels:
    """Returns the labels of an image without the boxes of a class."""
    kept = labels.class_ids != class_id
    return replace(
        labels,
        boxes_xyxy=labels.boxes_xyxy[kept],
        class_ids=labels.class_ids[kept],
        ignored=labels.ignored[kept],
        places=tuple(np.array(labels.places)[kept].tolist()),
        unknown_ids=unknown_ids,
    )


def finished(
    images: LabelledImages, splits: Splits, settings: TrainingSettings, out: Path
) -> dict[str, Any]:
    """Returns the figures of a training, which is run unless its result is in its folder."""
    path = out / RESULT
    if path.is_file():
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found

    def say(epoch: Epoch) -> None:
        figures = " ".join(f"{name} {value:.3f}" for name, value in ap50(epoch).items())
        print(f"{out.name} {epoch.number}: {figures} ({epoch.seconds:.0f} s)", flush=True)

    resume = (out / "last.safetensors").is_file()
    epochs = train(images, splits.val, settings, out, resume=resume, on_epoch=say)
    best = [epoch for epoch in epochs if epoch.best][-1]
    result = {
        "seed": settings.seed,
        "best": best.number,
        "seconds": round(sum(epoch.seconds for epoch in epochs)),
        "ap50": {"all": best.ap50} | ap50(best),
        "ap50_last": {"all": epochs[-1].ap50} | ap50(epochs[-1]),
    }
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return result


def ap50(epoch: Epoch) -> dict[str, float]:
    """Returns AP50 of each class, by name."""
    return {name: value or 0.0 for name, value in epoch.accuracy.per_class_ap50.items()}


def rows(results: Sequence[dict[str, Any]], class_name: str) -> list[tuple[str, str, str, str]]:
    """Returns each training's figures, and each variant's means."""
    lines = []
    for variant in VARIANTS:
        own = [each for each in results if each["variant"] == variant]
        figures = [(each["ap50"][class_name], each["ap50"]["all"]) for each in own]
        seeds = [str(each["seed"]) for each in own]
        if own:
            seeds.append("mean")
            figures.append((mean(one for one, _ in figures), mean(two for _, two in figures)))
        lines += [
            (variant, seed, f"{one:.3f}", f"{every:.3f}")
            for seed, (one, every) in zip(seeds, figures, strict=True)
        ]
    return lines


if __name__ == "__main__":
    sys.exit(main())
