"""`spotlet evaluate`: how well a checkpoint or an exported model does on a labelled set."""

import argparse
import json
from pathlib import Path

from spotlet.atomic import check_replaceable
from spotlet.errors import UsageError
from spotlet.evaluation import figure_text
from spotlet.precision import PrecisionCurves, precision_curves
from spotlet.terminal import table
from spotlet_training.datasets import open_dataset
from spotlet_training.evaluation import SHOWN_RULE
from spotlet_training.measurement import Measurement, measure
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
    print(tables(measured, asked))
    if page is not None:
        print(f"report: {page}")
    return 0


def tables(measured: Measurement, asked: PrecisionCurves | None = None) -> str:
    """Returns the figures as text, for people.

    Args:
        measured: what was measured.
        asked: AP at an IoU threshold that was asked for.
    """
    accuracy = measured.evaluation.accuracy
    objects = [*accuracy.per_class_objects.values()]
    columns = [
        (name, count, *figures)
        for (name, *figures), count in zip(accuracy.rows(), [*objects, sum(objects)], strict=True)
    ]
    header = ["class", "objects", "AP50", "AP"]
    if asked is not None:
        header.append(f"AP at IoU {asked.iou_threshold:g}")
        at_iou = [*asked.per_class_ap.values(), asked.ap]
        columns = [(*row, figure_text(ap)) for row, ap in zip(columns, at_iou, strict=True)]
    lines = [
        table(columns, header=header),
        "",
        table(accuracy.size_rows(), header=("size", "objects", "AP")),
        "",
        f"AP75 {figure_text(accuracy.ap75)}",
        *_threshold_lines(measured),
        f"latency: {measured.latency}",
        f"{measured.name} on {len(measured.evaluation.truths)} images",
    ]
    return "\n".join(lines)


def _threshold_lines(measured: Measurement) -> list[str]:
    """Returns what comes of the best score threshold, and of the model's own."""
    best = measured.evaluation.operating_point
    if best is None:
        return ["no object is found at any score threshold"]
    points = [("best score threshold", best)]
    own = measured.own_threshold
    if own is not None and own != best.score_threshold and own >= SHOWN_RULE.score_threshold:
        points.append(("the model's own", measured.evaluation.point_at(own)))
    return [
        f"{what} {point.score_threshold:.2f}: mean F1 of the classes {point.f1:.3f}; of all boxes "
        f"precision {point.precision:.3f}, recall {point.recall:.3f}"
        for what, point in points
    ]
