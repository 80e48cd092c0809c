"""`spotlet evaluate`: measure a checkpoint or an exported model on a labelled set."""

import argparse
import json
from pathlib import Path

from spotlet.atomic import check_replaceable
from spotlet.errors import UsageError
from spotlet.tiles import TileSettings
from spotlet_training.commands.set_options import add_set_arguments, asked_sets
from spotlet_training.evaluation.curves import precision_curves
from spotlet_training.evaluation.measurement import measure
from spotlet_training.evaluation.measurement_text import measurement_text
from spotlet_training.report import PAGE_FILE, write_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("model", help="a .safetensors checkpoint, or a model as for `spotlet run`")
    add_set_arguments(parser)
    parser.add_argument(
        "--split", choices=("train", "val"), default="val", help="to measure on [%(default)s]"
    )
    parser.add_argument(
        "--iou", type=float, metavar="T", help="also report AP at this IoU threshold, such as 0.33"
    )
    parser.add_argument(
        "--tiles",
        metavar="auto|2x2|SIZE",
        help="cut pictures into tiles, as for `spotlet run`; off [the model's]",
    )
    parser.add_argument(
        "--threads", type=int, default=0, help="threads of one inference [the engine's default]"
    )
    parser.add_argument(
        "--plots", type=Path, metavar="DIR", help="write report.html and its pictures there"
    )
    parser.add_argument(
        "--no-photographs",
        action="store_true",
        help="leave the images out of --plots and draw only boxes, for private sets",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns 0, or raises the error of the exit code."""
    if args.iou is not None and not 0 < args.iou <= 1:
        raise UsageError(f"--iou {args.iou}: must be over 0 and at most 1")
    if args.plots is not None:
        check_replaceable(args.plots, marker=PAGE_FILE)
    splits = asked_sets(args.dataset, args.exhaustive)
    dataset = splits.train if args.split == "train" else splits.val
    tiles = None if args.tiles is None else TileSettings(layout=args.tiles)
    measured = measure(args.model, dataset, threads=args.threads, tiles=tiles)
    evaluation = measured.evaluation
    asked = None
    if args.iou is not None:
        asked = precision_curves(
            evaluation.truths, evaluation.found, evaluation.class_names, args.iou
        )
    page = None
    if args.plots is not None:
        photographs = not args.no_photographs
        page = write_report(measured, dataset, args.plots, photographs=photographs)
    if args.json:
        figures = measured.to_json() | ({} if page is None else {"report": str(page)})
        if asked is not None:
            figures |= {"iou": args.iou, "ap_iou": asked.ap, "per_class_ap_iou": asked.per_class_ap}
        print(json.dumps(figures))
        return 0
    print(measurement_text(measured, asked))
    if page is not None:
        print(f"report: {page}")
    return 0
