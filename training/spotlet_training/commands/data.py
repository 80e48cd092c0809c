"""`spotlet data check`: lists what is in a labelled set, and what is wrong with it."""

import argparse
import json
from pathlib import Path

from spotlet.errors import GateError, UsageError
from spotlet.image_files import write_image
from spotlet.text.terminal import Progress
from spotlet_training.commands.recipe_options import parse_size
from spotlet_training.commands.set_options import add_exhaustive_argument, asked_exhaustive
from spotlet_training.datasets.findings import errors
from spotlet_training.inspection import (
    inspect_dataset,
    inspection_lines,
    inspection_record,
    labelled_sheet,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "action",
        choices=("check",),
        help="check: counts, box sizes, damaged images, wrong labels, copies across splits",
    )
    parser.add_argument("dataset", type=Path, help="folder of a COCO, YOLO or Pascal VOC set")
    add_exhaustive_argument(parser)
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


def run(args: argparse.Namespace) -> int:
    """Prints what is in the set; with --out, writes a contact sheet.

    Raises:
        DatasetError: the set cannot be read.
        GateError: the set has errors.
    """
    if args.out is not None and args.out.suffix.lower() != ".png":
        raise UsageError(
            f"--out {args.out}: a contact sheet is a PNG; give a name that ends in .png"
        )
    canvas_hw = parse_size(args.image_size)
    with Progress("check", unit="images") as progress:
        inspection = inspect_dataset(
            args.dataset,
            canvas_hw,
            exhaustive=asked_exhaustive([args.dataset], args.exhaustive).get(args.dataset),
            on_picture=progress.advance,
        )
    if args.json:
        print(json.dumps(inspection_record(inspection)))
    else:
        print(f"{args.dataset}: {inspection.format}\n")
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
            f"{args.dataset}: {len(found)} error{'' if len(found) == 1 else 's'} in the set, "
            "listed above; correct them before training"
        )
    if not args.json:
        print("PASS")
    return 0
