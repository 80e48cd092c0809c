"""`spotlet export`: a checkpoint in, a proven model package out."""

import argparse
import shlex
from pathlib import Path

from spotlet.errors import UsageError
from spotlet.model import locate_model
from spotlet.model.package import MODEL_FILE, bundled_models
from spotlet.text.terminal import write_notice
from spotlet_export.card.markdown import read_notes
from spotlet_export.exporting import ExportSettings, export_package
from spotlet_export.gate.int8_text import int8_text
from spotlet_export.gate.variants import DEFAULT_BUDGET
from spotlet_export.package.golden_frames import SOURCES
from spotlet_export.package.recovery import recover_checkpoint
from spotlet_training.commands.set_options import add_exhaustive_argument, asked_sets
from spotlet_training.datasets import Dataset, Splits
from spotlet_training.datasets.class_order import in_class_order
from spotlet_training.network.checkpoint import load_checkpoint
from spotlet_training.scenes import validation_scenes

UNPROVEN = (
    "WARN: nothing is proven about detections: the model finds nothing in the golden frames, so "
    "`spotlet check` compares tensors only; give --data with objects of its classes and --golden "
    "data"
)
"""Printed for a package whose check compares no detections."""

SCENES = 24
"""Generated scenes to compare on without --data."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "checkpoint",
        type=Path,
        help="a best.safetensors of `spotlet train`; or a package of an older spotlet, to export "
        "its float32 file again",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PACKAGE", help="folder to write"
    )
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        metavar="DATASET",
        help="the model's own set: the gate compares on its labelled validation images; "
        "repeatable (default: generated scenes, without labels)",
    )
    add_exhaustive_argument(parser)
    parser.add_argument(
        "--int8",
        action="store_true",
        help="also write an int8 variant, calibrated on the training images of --data",
    )
    parser.add_argument(
        "--int8-budget",
        type=float,
        default=DEFAULT_BUDGET,
        metavar="AP",
        help="the most that int8 may lose; layers go back to float to keep it [%(default)s]",
    )
    parser.add_argument(
        "--end-to-end",
        action="store_true",
        help="also write each file with thresholding and suppression in its graph, for programs "
        "without Spotlet's runtime",
    )
    parser.add_argument(
        "--golden",
        choices=SOURCES,
        help="frames in the package for `spotlet check`: your images, or drawings, for a package "
        "that others get [data, with --data]",
    )
    parser.add_argument(
        "--notes",
        type=read_notes,
        metavar="FILE",
        help="Markdown for the model card: source and licence of the data, purpose",
    )
    parser.add_argument(
        "--attach",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="copy it into the package, such as the data's licence or a picture in the notes; "
        "repeatable",
    )
    parser.add_argument("--name", help="of the model (default: the folder's name)")


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns 0, or raises what the exit code says."""
    if args.int8 and args.data is None:
        raise UsageError("--int8: needs --data, for calibration images and labels")
    is_package = _is_package(args.checkpoint)
    checkpoint = (recover_checkpoint if is_package else load_checkpoint)(args.checkpoint)
    held = _names(locate_model(args.checkpoint).parent) if is_package else set()
    if args.exhaustive and args.data is None:
        raise UsageError("--exhaustive: needs --data, whose labels it describes")
    splits = None if args.data is None else asked_sets(args.data, args.exhaustive)
    compare_on, calibrate_on = gate_sets(splits, checkpoint.class_names, int8=args.int8)
    done = export_package(
        checkpoint,
        args.out,
        compare_on,
        ExportSettings(
            name=args.name,
            int8_budget=args.int8_budget,
            end_to_end=args.end_to_end,
            golden=args.golden or ("generated" if args.data is None else "data"),
            notes=args.notes or "",
            attachments=args.attach,
        ),
        calibrate_on=calibrate_on,
        on_step=lambda text: write_notice(f"{text} …\n"),
        on_report=lambda report: print(report.table(), flush=True) if report.rows else None,
    )
    if done.quantisation is not None:
        print(int8_text(done.quantisation))
    if lost := sorted(held - _names(done.package)):
        absent = f"not in the new package: {', '.join(lost)}"
        write_notice(f"{absent}; --int8, --end-to-end and --attach add such files\n")
    sizes = ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in done.file_bytes.items())
    if not done.golden_detections:
        print(UNPROVEN)
    print(
        f"PASS: {done.package} holds the same network ({sizes}); "
        f"try `spotlet run {shlex.quote(str(done.package))} VIDEO --save out.mp4`"
    )
    return 0


def _names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def _is_package(path: Path) -> bool:
    """Returns whether a path or bundled name is a model, not a checkpoint."""
    if path.is_dir():
        return (path / MODEL_FILE).is_file()
    return path.suffix == ".onnx" or (not path.exists() and str(path) in bundled_models())


def gate_sets(
    splits: Splits | None, class_names: tuple[str, ...], *, int8: bool
) -> tuple[Dataset, Dataset | None]:
    """Returns the images to compare on, and those to calibrate int8 on.

    Raises:
        DatasetError: the set's classes are not the model's.
    """
    if splits is None:
        write_notice("no --data: comparing on generated scenes, without accuracy\n")
        return validation_scenes(SCENES, seed=0, objects="sample"), None
    return in_class_order(splits.val, class_names), splits.train if int8 else None
