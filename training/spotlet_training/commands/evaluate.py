"""`spotlet evaluate`: how well a checkpoint or an exported model does on a labelled set."""

import argparse
import json
from pathlib import Path

from spotlet.atomic import check_replaceable
from spotlet.errors import UsageError
from spotlet_training.datasets import open_dataset
from spotlet_training.evaluation.curves import precision_curves
from spotlet_training.evaluation.measurement import measure
from spotlet_training.evaluation.measurement_text import measurement_text
from spotlet_training.report import PAGE_FILE, write_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "model", help="a .safetensors checkpoint, or a model as `spotlet run` takes"
    )
    parser.add_argument("dataset", type=Path, help="folder of a COCO, YOLO or Pascal VOC set")
    parser.add_argument(
        "--split", choices=("train", "val"), default="val", help="to measure on [%(default)s]"
    )
    parser.add_argument(
        "--iou", type=float, metavar="T", help="also AP at this IoU threshold, as 0.33"
    )
    parser.add_argument(
        "--threads", type=int, default=0, help="of one inference [what the engine takes]"
    )
    parser.add_argument(
        "--plots", type=Path, metavar="DIR", help="write report.html and its pictures there"
    )
    parser.add_argument(
        "--no-photographs",
        action="store_true",
        help="leave the images themselves out of --plots: only boxes, for sets to be kept private",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns 0, or raises what the exit code says."""
    if args.iou is not None and not 0 < args.iou <= 1:
        raise UsageError(f"--iou {args.iou}: must be over 0 and at most 1")
    if args.plots is not None:
        check_replaceable(args.plots, marker=PAGE_FILE)
    dataset = open_dataset(args.dataset, args.split)
    measured = measure(args.model, dataset, threads=args.threads)
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
