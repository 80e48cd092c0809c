"""`spotlet export`: a checkpoint in, a proven model package out."""

import argparse
import sys
from pathlib import Path

from spotlet.errors import InputError
from spotlet_export.exporting import export_package
from spotlet_training.checkpoint import load_checkpoint
from spotlet_training.datasets import Dataset, open_dataset
from spotlet_training.scenes import validation_scenes

SCENES = 24
"""Generated scenes to compare on when no images are given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("checkpoint", type=Path, help="a best.safetensors of `spotlet train`")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PACKAGE", help="folder to write"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DATASET",
        help="compare on this set's validation images (default: generated scenes)",
    )
    parser.add_argument(
        "--notes",
        type=Path,
        metavar="FILE",
        help="Markdown for the model card: sources and licence of the data, purpose",
    )
    parser.add_argument("--name", help="of the model (default: the folder's name)")


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns 0, or raises what the exit code says."""
    checkpoint = load_checkpoint(args.checkpoint)
    compare_on: Dataset
    if args.data is None:
        compare_on = validation_scenes(SCENES, seed=0, objects="sample")
        print("no --data: comparing on generated scenes", file=sys.stderr)
    else:
        compare_on = open_dataset(args.data, "val")
    done = export_package(
        checkpoint,
        args.out,
        compare_on,
        name=args.name,
        notes=read_notes(args.notes),
        on_step=lambda text: print(f"{text} …", file=sys.stderr),
        on_report=lambda report: print(report.table()),
    )
    print(
        f"PASS: {done.package} holds the same network ({done.model_bytes / 1e6:.2f} MB); "
        f"try `spotlet run {done.package} VIDEO --save out.mp4`"
    )
    return 0


def read_notes(path: Path | None) -> str:
    """Returns the text of a file, and none where there is no file to read.

    Raises:
        InputError: the file cannot be read.
    """
    if path is None:
        return ""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text; give a Markdown file") from error
