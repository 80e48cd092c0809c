"""`spotlet evaluate`: how well a checkpoint or an exported model does on a labelled set."""

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from spotlet import Detector
from spotlet.evaluation import Accuracy
from spotlet.terminal import table
from spotlet_training.datasets import LabelledImages, open_dataset
from spotlet_training.evaluation import (
    COCO_RULE,
    evaluate_detector,
    evaluate_network,
    require_classes,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "model", help="a .safetensors checkpoint, or a model as `spotlet run` takes"
    )
    parser.add_argument("dataset", type=Path, help="folder of a COCO, YOLO or Pascal VOC set")
    parser.add_argument(
        "--split", choices=("train", "val"), default="val", help="to measure on [%(default)s]"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns 0, or raises what the exit code says."""
    dataset = open_dataset(args.dataset, args.split)
    started = time.perf_counter()
    accuracy = evaluate(args.model, dataset)
    seconds = time.perf_counter() - started
    if args.json:
        print(json.dumps({"images": len(dataset), **asdict(accuracy)}))
        return 0
    print(table(accuracy.rows(), header=("class", "AP50", "AP")))
    print(f"{args.model} on {len(dataset)} images, {seconds:.1f} s")
    return 0


def evaluate(model: str, dataset: LabelledImages) -> Accuracy:
    """Returns the accuracy of a checkpoint, through PyTorch, or of a model, through the runtime.

    Raises:
        UsageError: the set has other classes than the model.
    """
    if model.endswith(".safetensors"):
        from spotlet_training.checkpoint import load_checkpoint

        checkpoint = load_checkpoint(Path(model))
        require_classes(dataset, checkpoint.class_names)
        with ThreadPoolExecutor() as pool:
            return evaluate_network(checkpoint.network, dataset, pool)
    detector = Detector(
        model,
        score_threshold=COCO_RULE.score_threshold,
        max_detections=COCO_RULE.max_detections,
        every_class=COCO_RULE.every_class,
    )
    require_classes(dataset, detector.class_names)
    return evaluate_detector(detector, dataset)
