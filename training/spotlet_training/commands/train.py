"""`spotlet train`: a labelled set in, the best checkpoint out."""

import argparse
import csv
import re
import shlex
import time
from pathlib import Path

import cv2

from spotlet.atomic import atomic_file
from spotlet.errors import UsageError
from spotlet.terminal import Progress, duration, table
from spotlet_training.augmentation import FLIPS, AugmentationSettings
from spotlet_training.checkpoint import load_checkpoint
from spotlet_training.datasets import open_splits
from spotlet_training.hardware import pick_device, pick_precision
from spotlet_training.network import TwoHeadDetector
from spotlet_training.settings import DEVICES, PRECISIONS, TrainingSettings
from spotlet_training.training import BEST_CHECKPOINT, Epoch, Step, train

HISTORY = "history.csv"
"""The file in the output folder with a line for each epoch."""

DEFAULTS = TrainingSettings()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("dataset", type=Path, help="folder of a COCO, YOLO or Pascal VOC set")
    parser.add_argument(
        "--epochs", type=int, default=DEFAULTS.epochs, help="passes over the images [%(default)s]"
    )
    parser.add_argument(
        "--image-size",
        default="320",
        metavar="N|HxW",
        help="of the network's canvas, pixels, multiples of 32 [%(default)s]",
    )
    parser.add_argument(
        "--batch-size", type=int, default=DEFAULTS.batch_size, help="canvases a step [%(default)s]"
    )
    parser.add_argument(
        "--learning-rate",
        type=float,
        default=DEFAULTS.learning_rate,
        help="the peak, for batches of 8 [%(default)s]",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=DEFAULTS.seed,
        help="of weights, order and augmentation [%(default)s]",
    )
    parser.add_argument(
        "--flips",
        choices=FLIPS,
        default=DEFAULTS.augmentation.flips,
        help="axes along which a mirrored picture could be a picture of yours [%(default)s]",
    )
    parser.add_argument(
        "--device", choices=DEVICES, default=DEFAULTS.device, help="auto takes CUDA if it can"
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=DEFAULTS.precision,
        help="auto takes bfloat16 where the hardware multiplies it",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="CHECKPOINT",
        help="start from this one, of the same classes and size, and not from nothing",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="default: a new folder runs/DATASET"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a checkpoint that lies in --out"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns 0, or raises what the exit code says."""
    settings = TrainingSettings(
        epochs=args.epochs,
        size_hw=parse_size(args.image_size),
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        seed=args.seed,
        device=args.device,
        precision=args.precision,
        augmentation=AugmentationSettings(flips=args.flips),
    )
    out = pick_folder(args.out, args.dataset, overwrite=args.overwrite)
    splits = open_splits(args.dataset)
    start = starting_weights(args.weights, splits.class_names)
    device = pick_device(settings)
    dtype = str(pick_precision(settings, device)).removeprefix("torch.")
    for note in splits.notes:
        print(f"note: {note}")
    print(
        f"{args.dataset}: {splits.format}, {len(splits.train)} images to train on, "
        f"{len(splits.val)} to validate on, classes {', '.join(splits.class_names)}"
    )
    print(f"training on {device} in {dtype}, writing to {out}", flush=True)
    # Our own threads prepare the pictures; OpenCV's would fight with torch's for the cores.
    cv2.setNumThreads(1)
    epochs: list[Epoch] = []
    write_history(epochs, out / HISTORY)  # a folder that cannot be written is told of now
    started = time.perf_counter()
    steps = settings.epochs * settings.steps_per_epoch(len(splits.train))
    with Progress("train", total=steps, unit="steps") as progress:

        def after_step(step: Step) -> None:
            progress.advance(note=f"loss {step.loss:.3f}")

        def after_epoch(epoch: Epoch) -> None:
            epochs.append(epoch)
            progress.message(
                f"epoch {epoch.number:>3}/{settings.epochs}  loss {epoch.loss:.3f}  "
                f"AP50 {epoch.ap50:.3f}  AP {epoch.ap:.3f}  "
                f"{epoch.seconds:.1f} s{'  best so far' if epoch.best else ''}"
            )
            write_history(epochs, out / HISTORY)

        train(
            splits.train,
            splits.val,
            settings,
            out,
            start=start,
            data_name=dataset_name(args.dataset),
            on_step=after_step,
            on_epoch=after_epoch,
        )
    best = [epoch for epoch in epochs if epoch.best][-1]
    print(table(best.accuracy.rows(), header=("class", "AP50", "AP")))
    print(
        f"best: epoch {best.number}, validation AP50 {best.ap50:.3f}, "
        f"AP {best.ap:.3f}; {duration(time.perf_counter() - started)}"
    )
    words = ["spotlet", "export", str(out / BEST_CHECKPOINT), "--data", str(args.dataset)]
    words += ["--out", f"models/{dataset_name(args.dataset)}"]
    print(f"next: {shlex.join(words)}")
    return 0


def parse_size(text: str) -> tuple[int, int]:
    """Returns height and width for `N` or `HxW`.

    Example:
        >>> parse_size("320"), parse_size("256x448")
        ((320, 320), (256, 448))

    Raises:
        UsageError: the text is neither.
    """
    found = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if found is None:
        raise UsageError(f"--image-size {text}: must be a number, or HEIGHTxWIDTH")
    return int(found[1]), int(found[2] or found[1])


def pick_folder(asked: Path | None, dataset: Path, *, overwrite: bool) -> Path:
    """Returns a folder that holds no checkpoint yet, unless the user gives one up.

    Raises:
        UsageError: the folder asked for holds a checkpoint, and `overwrite` is off.
    """
    if asked is not None:
        if (asked / BEST_CHECKPOINT).exists() and not overwrite:
            raise UsageError(
                f"{asked}: holds a checkpoint; give another --out, or --overwrite to replace it"
            )
        return asked
    name = dataset_name(dataset)
    number = 1
    while (folder := Path("runs") / (name if number == 1 else f"{name}-{number}")).exists():
        number += 1
    return folder


def starting_weights(path: Path | None, class_names: tuple[str, ...]) -> TwoHeadDetector | None:
    """Returns the network of a checkpoint to start from; None where none is given.

    Raises:
        CheckpointError: it cannot be read.
        UsageError: it is no detector, or has other classes.
    """
    if path is None:
        return None
    checkpoint = load_checkpoint(path)
    if not isinstance(checkpoint.network, TwoHeadDetector):
        raise UsageError(f"--weights {path}: a single-object localizer; must be a detector")
    if checkpoint.class_names != class_names:
        raise UsageError(
            f"--weights {path}: its classes are {', '.join(checkpoint.class_names)}; must be the "
            f"set's, {', '.join(class_names)}"
        )
    return checkpoint.network


def dataset_name(dataset: Path) -> str:
    """Returns what a set is called: its folder, also where its `data.yaml` was given."""
    path = dataset.resolve()
    return path.parent.name if path.is_file() else path.name


def write_history(epochs: list[Epoch], path: Path) -> None:
    """Writes a CSV with a line for each epoch, whole or not at all."""
    names = ("epoch", "loss", "scores_loss", "boxes_loss", "ap", "ap50", "seconds", "best")
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for epoch in epochs:
            figures = (
                epoch.loss, epoch.scores_loss, epoch.boxes_loss, epoch.ap, epoch.ap50, epoch.seconds
            )  # fmt: skip
            writer.writerow(
                [epoch.number, *(f"{figure:.5f}" for figure in figures), int(epoch.best)]
            )
