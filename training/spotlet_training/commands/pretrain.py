"""`spotlet pretrain`: trains backbones on pictures without boxes."""

import argparse
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import torch

from spotlet.atomic import check_writable
from spotlet.errors import UsageError
from spotlet.text.terminal import Progress
from spotlet_training.learning.hardware import pick_device, pick_precision
from spotlet_training.learning.settings import DEVICES, PRECISIONS, TrainingSettings
from spotlet_training.network.pretrained import load_about, save_backbone
from spotlet_training.network.settings import SIZES, DetectorSettings
from spotlet_training.pretraining import (
    DistillationSettings,
    Targets,
    Taught,
    Views,
    distil,
    find_pictures,
    write_targets,
)
from spotlet_training.pretraining.targets import DONE

DEFAULTS = DistillationSettings()

VIEW_SIDE = 224
"""The side of a view, pixels: seven cells of the coarsest stride."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "pictures",
        type=Path,
        nargs="+",
        help="folders of pictures; of a labelled set, only the training pictures are used",
    )
    parser.add_argument(
        "--size", choices=SIZES, nargs="+", default=list(SIZES), help="of the networks [all]"
    )
    parser.add_argument(
        "--views", type=int, default=36000, help="number of views to make [%(default)s]"
    )
    parser.add_argument(
        "--epochs", type=int, default=DEFAULTS.epochs, help="passes over the views [%(default)s]"
    )
    parser.add_argument(
        "--seed", type=int, default=DEFAULTS.seed, help="of all randomness [%(default)s]"
    )
    parser.add_argument(
        "--device", choices=DEVICES, default="auto", help="auto uses CUDA if available"
    )
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="auto", help="as for `spotlet train`"
    )
    parser.add_argument(
        "--targets",
        type=Path,
        metavar="DIR",
        help="keep the views and the teacher's features here (0.3 MB a view) and reuse them "
        "(default: a temporary folder)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/pretrained"), help="folder [%(default)s]"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the content of --out and --targets"
    )


def run(args: argparse.Namespace) -> int:
    """Writes SIZE.safetensors for each size; continues after an interruption.

    Raises:
        DatasetError: a folder has no pictures, or a labelled set has errors.
        OutputError: a folder cannot be written.
        UsageError: a number is out of range, or --overwrite is needed.
    """
    settings = DistillationSettings(epochs=args.epochs, seed=args.seed)
    if args.views < settings.batch_size or args.seed < 0:
        raise UsageError(
            f"--views {args.views} --seed {args.seed}: must be at least {settings.batch_size} and 0"
        )
    prepare_folder(args.out, args.size, overwrite=args.overwrite)
    hardware = TrainingSettings(device=args.device, precision=args.precision)
    device = pick_device(hardware)
    dtype = pick_precision(hardware, device)
    cv2.setNumThreads(1)
    with ExitStack() as stack:
        folder = args.targets or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        targets = make_targets(args, folder, device, dtype)
        about = {**targets.about, "views": targets.count, "epochs": args.epochs}
        paths = {size: args.out / f"{size}.safetensors" for size in args.size}
        missing = [
            size for size in args.size if args.overwrite or not is_finished(paths[size], about)
        ]
        for size in missing:
            shape = DetectorSettings.of_size(size, 1, (VIEW_SIDE, VIEW_SIDE))
            unfinished = args.out / f"{size}.unfinished.safetensors"
            if args.overwrite:
                unfinished.unlink(missing_ok=True)
            steps = args.epochs * (targets.count // settings.batch_size)
            with Progress(size, total=steps, unit="steps") as progress:

                def after_epoch(taught: Taught, progress: Progress = progress) -> None:
                    unexplained = "  ".join(f"{share:.3f}" for share in taught.unexplained)
                    progress.message(
                        f"epoch {taught.number:>3}/{args.epochs}  unexplained at strides 8, 16, "
                        f"32: {unexplained}  {taught.seconds:.1f} s"
                    )

                backbone = distil(
                    targets, shape, settings, device=device, dtype=dtype, unfinished=unfinished,
                    on_skipped=progress.skip, on_step=progress.advance, on_epoch=after_epoch,
                )  # fmt: skip
            save_backbone(backbone, paths[size], about)
            unfinished.unlink(missing_ok=True)
            print(f"{paths[size]}: written")
    return 0


def make_targets(
    args: argparse.Namespace, folder: Path, device: torch.device, dtype: torch.dtype
) -> Targets:
    """Returns the targets in a folder; makes them if it has none for these pictures."""
    pictures = [find_pictures(root) for root in args.pictures]
    sources = [
        [root.resolve().name, len(found), digest_of(root, found)]
        for root, found in zip(args.pictures, pictures, strict=True)
    ]
    about = {"pictures": sources, "seed": args.seed, "side": VIEW_SIDE}
    if (folder / DONE).exists():
        targets = Targets(folder)
        if targets.count == args.views and targets.about == about:
            print(f"{folder}: reusing {targets.count} views")
            return targets
        if not args.overwrite:
            raise UsageError(
                f"--targets {folder}: holds views of other pictures or another number of views; "
                "give another folder, or --overwrite to replace them"
            )
    listed = ", ".join(f"{name} ({count})" for name, count, _ in sources)
    print(f"{args.views} views of {listed}", flush=True)
    views = Views(pictures, side=VIEW_SIDE, seed=args.seed)
    with (
        ThreadPoolExecutor() as pool,
        Progress("teacher", total=args.views, unit="views") as progress,
    ):
        write_targets(
            views, folder, count=args.views, device=device, dtype=dtype, about=about, pool=pool,
            on_views=progress.advance,
        )  # fmt: skip
    return Targets(folder)


def prepare_folder(out: Path, sizes: Sequence[str], *, overwrite: bool) -> None:
    """Makes the output folder, before hours are spent on its content.

    Raises:
        OutputError: it cannot be written.
        UsageError: it holds all these backbones already, and `overwrite` is off.
    """
    if not overwrite and all((out / f"{size}.safetensors").exists() for size in sizes):
        raise UsageError(
            f"{out}: holds {sizes[0]}.safetensors; give another --out, or --overwrite to replace it"
        )
    check_writable(out)


def is_finished(path: Path, about: dict[str, Any]) -> bool:
    """Returns whether an interrupted run of the same command wrote this backbone.

    Raises:
        UsageError: another command wrote it.
    """
    if not path.exists():
        return False
    if load_about(path) != json.loads(json.dumps(about)):
        raise UsageError(
            f"{path}: made with other pictures or options; give another --out, or --overwrite to "
            "replace it"
        )
    return True


def digest_of(root: Path, pictures: Sequence[Path]) -> str:
    """Returns a hash of the names and sizes of pictures below a folder."""
    digest = hashlib.sha256()
    for path in pictures:
        name = os.path.relpath(path, root)
        digest.update(f"{name} {path.stat().st_size}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]
