"""`spotlet data`: lists what is in a labelled set and what is wrong with it, or converts it."""

import argparse
import json
import shlex
from pathlib import Path

from spotlet.errors import GateError, UsageError
from spotlet.image_files import write_image
from spotlet.text.terminal import Progress
from spotlet_training.commands.recipe_options import parse_size
from spotlet_training.commands.set_options import (
    add_exhaustive_argument,
    add_set_arguments,
    asked_exhaustive,
)
from spotlet_training.converting import FORMATS, convert_set
from spotlet_training.datasets.findings import errors
from spotlet_training.inspection import (
    inspect_sets,
    inspection_lines,
    inspection_record,
    labelled_sheet,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's actions, each with its arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = "counts, box sizes, damaged images, wrong labels, copies across splits"
    _add_check_arguments(actions.add_parser("check", help=check, description=check))
    convert = "write the set, with its pictures, in another format"
    _add_convert_arguments(actions.add_parser("convert", help=convert, description=convert))


def _add_check_arguments(parser: argparse.ArgumentParser) -> None:
    add_set_arguments(parser)
    parser.add_argument(
        "--image-size",
        default="320",
        metavar="N|HxW",
        help="canvas to train on, for the sizes of boxes [%(default)s]",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="PICTURE.png",
        help="write a contact sheet: images with their boxes, every class among them",
    )
    parser.add_argument("--json", action="store_true", help="print all findings as JSON")


def _add_convert_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", type=Path, help="folder of a COCO, YOLO or Pascal VOC set")
    add_exhaustive_argument(parser)
    parser.add_argument("--to", choices=FORMATS, required=True, help="the format to write")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="a new folder, outside the set"
    )


def run(args: argparse.Namespace) -> int:
    """Checks sets or converts one.

    Raises:
        DatasetError: the set cannot be read.
        GateError: the sets to check have errors.
        OutputError: the folder to convert to holds files, or cannot be written.
    """
    return _convert(args) if args.action == "convert" else _check(args)


def _check(args: argparse.Namespace) -> int:
    """Prints what is in the sets; with --out, writes a contact sheet."""
    if args.out is not None and args.out.suffix.lower() != ".png":
        raise UsageError(
            f"--out {args.out}: a contact sheet is a PNG; give a name that ends in .png"
        )
    canvas_hw, shown = parse_size(args.image_size), ", ".join(map(str, args.dataset))
    exhaustive = asked_exhaustive(args.dataset, args.exhaustive)
    with Progress("check", unit="images") as progress:
        inspection = inspect_sets(
            args.dataset, canvas_hw, exhaustive=exhaustive, on_picture=progress.advance
        )
    if args.json:
        print(json.dumps(inspection_record(inspection)))
    else:
        print(f"{shown}: {inspection.format}\n")
        for line in inspection_lines(inspection):
            print(line)
    sheet = None if args.out is None else labelled_sheet(inspection)
    if sheet is not None:
        write_image(args.out, sheet, ".png")
        if not args.json:
            print(f"wrote {args.out}")
    found = errors(inspection.findings)
    if found:
        raise GateError(
            f"{shown}: {len(found)} error{'' if len(found) == 1 else 's'} in the set, "
            "listed above; correct them before training"
        )
    if not args.json:
        print("PASS")
    return 0


def _convert(args: argparse.Namespace) -> int:
    """Writes the set in another format, and prints what it could not hold."""
    exhaustive = asked_exhaustive([args.dataset], args.exhaustive).get(args.dataset)
    with Progress("convert", unit="images") as progress:
        done = convert_set(
            args.dataset, args.out, args.to, exhaustive=exhaustive, on_picture=progress.advance
        )
    print(f"{args.dataset}: {done.source_format}, {len(done.class_names)} classes")
    for split, pictures, objects in done.counts:
        print(f"  {split:<5}  {pictures} pictures, {objects} objects")
    for note in (*done.read_notes, *done.notes):
        print(f"note: {note}")
    print(f"wrote {args.out}: {args.to}")
    print(f"next: {shlex.join(['spotlet', 'data', 'check', str(args.out)])}")
    return 0
