"""`spotlet scenes`: writes generated garment scenes as a COCO set to train on."""

import argparse
from pathlib import Path

from spotlet.errors import UsageError
from spotlet.text.terminal import Progress
from spotlet_training.scenes import training_scenes, validation_scenes, write_coco_set

SMALLEST_SIDE = 32
"""The least side of an image, pixels."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("out", type=Path, help="a new folder")
    parser.add_argument("--count", type=int, default=2000, help="training images [%(default)s]")
    parser.add_argument("--val", type=int, default=200, help="validation images [%(default)s]")
    parser.add_argument(
        "--image-size", type=int, default=320, help="side of an image, pixels [%(default)s]"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="the same seed gives the same set [%(default)s]"
    )
    parser.add_argument(
        "--objects",
        choices=("full", "sample"),
        default="full",
        help="all of Fashion-MNIST, fetched if it is not installed, or the shipped sample of "
        "2,000 objects [%(default)s]",
    )


def run(args: argparse.Namespace) -> int:
    """Writes the set.

    Raises:
        DatasetError: Fashion-MNIST is not installed and cannot be fetched.
        OutputError: the folder cannot be written.
        UsageError: the folder is not empty, or a number is out of range.
    """
    if args.count < 1 or args.val < 1 or args.seed < 0 or args.image_size < SMALLEST_SIDE:
        raise UsageError(
            f"--count {args.count} --val {args.val} --seed {args.seed} --image-size "
            f"{args.image_size}: must be at least 1, 1, 0 and {SMALLEST_SIDE}"
        )
    size_hw = (args.image_size, args.image_size)
    train = training_scenes(args.count, args.seed, args.objects, size_hw)
    val = validation_scenes(args.val, args.seed, args.objects, size_hw)
    with Progress("scenes", total=args.count + args.val, unit="images") as progress:
        write_coco_set(args.out, train, val, on_image=progress.advance)
    print(f"{args.out}: {args.count} images to train on, {args.val} to validate on")
    return 0
