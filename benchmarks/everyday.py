"""Compares detectors on a labelled set: AP50 by class, milliseconds, bytes.

    python -m benchmarks.everyday SET [--model NAME=MODEL[:VARIANT] ...]
        [--runner 'NAME=COMMAND' ...] [--classes NAME,NAME] [--least 20] [--every 1]
        [--rounds 5] [--frames 20] [--json OUT]

Run it from the repository's root, in an environment with `spotlet[training]`. Models are those of
`spotlet run`, by default the bundled `everyday` in both precisions. A runner is a program that
computes any other network (docs/runners.md), such as those in examples/runners. All detect in the
validation pictures, and one evaluator measures them; a class counts in the pictures that are
labelled for it. Classes are matched by name.

Milliseconds: the median from a decoded frame to its detections at the program's own score
threshold, on one thread; the programs take turns, and nothing else should run on the machine. A
runner's include its pipe; how long that takes is measured with one that computes nothing. Bytes: of
the model's file, or of the files that a runner's command names, Python scripts left out.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
from benchmarks.peers.detector_report import Comparison, as_json, as_markdown
from benchmarks.peers.detectors import (
    ONE_THREAD,
    Program,
    empty_runner,
    median_milliseconds,
    opened_model,
    opened_runner,
)

from spotlet.atomic import atomic_file
from spotlet.detections import Detections
from spotlet.errors import SpotletError, UsageError
from spotlet.evaluation import Accuracy, average_precision
from spotlet.text.terminal import Progress
from spotlet_training.commands.set_options import sets_name
from spotlet_training.datasets import Dataset, LabelledImages, open_splits
from spotlet_training.evaluation.evaluation import truth_of

MODELS = ("everyday=everyday", "everyday int8=everyday:int8")


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.everyday", description="detectors, side by side"
    )
    parser.add_argument("dataset", type=Path, metavar="SET")
    parser.add_argument("--model", action="append", metavar="NAME=MODEL[:VARIANT]")
    parser.add_argument("--runner", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--classes", metavar="NAME,NAME", help="[all that the programs share]")
    parser.add_argument("--least", type=int, default=20, help="objects of a class in the mean [20]")
    parser.add_argument("--every", type=int, default=1, help="use every n-th picture [1]")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each program [5]")
    parser.add_argument("--frames", type=int, default=20, help="pictures of a turn [20]")
    parser.add_argument("--json", type=Path, metavar="OUT", help="file to write the figures to")
    return parser.parse_args()


def main() -> int:
    """Measures; prints Markdown, and writes the same as JSON."""
    args = parse_arguments()
    os.environ.update(ONE_THREAD)
    cv2.setNumThreads(1)
    try:
        comparison = compare(args)
        print(as_markdown(comparison))
        if args.json is not None:
            with atomic_file(args.json) as temporary:
                temporary.write_text(as_json(comparison), "utf-8")
    except SpotletError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def compare(args: argparse.Namespace) -> Comparison:
    """Opens the programs and returns what they do.

    Raises:
        SpotletError: a number, a name, the set, a model or a program is not usable.
    """
    if min(args.least, args.every, args.rounds, args.frames) < 1:
        raise UsageError("--least, --every, --rounds and --frames: must be at least 1")
    whole = open_splits(args.dataset).val
    images = LabelledImages(whole.class_names, whole.labels[:: args.every])
    with ExitStack() as stack:
        programs = [opened_model(*named(text)) for text in args.model or MODELS]
        programs += [opened_runner(*named(text), stack) for text in args.runner]
        if len({program.name for program in programs}) < len(programs):
            raise UsageError("models and runners: must have different names")
        classes = shared_classes(programs, images.class_names, args.classes)
        accuracy = measured_accuracy(programs, images)
        timed = [*programs, empty_runner(stack)] if args.runner else programs
        frames = [images.load(index).image_bgr for index in range(min(args.frames, len(images)))]
        milliseconds = median_milliseconds(timed, frames, args.rounds)
    ids = {name: images.class_names.index(name) for name in classes}
    return Comparison(
        data=sets_name([args.dataset]),
        pictures=len(images),
        known={
            name: sum(index not in one.unknown_ids for one in images.labels)
            for name, index in ids.items()
        },
        least=args.least,
        programs=programs,
        accuracy=accuracy,
        pipe_milliseconds=milliseconds.pop("", None),
        milliseconds=milliseconds,
    )


def named(text: str) -> tuple[str, str]:
    """Returns the two parts of NAME=VALUE.

    Raises:
        UsageError: one is missing.
    """
    name, _, value = text.partition("=")
    if not (name and value):
        raise UsageError(f"{text!r}: must be a name, = and a model or a command")
    return name, value


def shared_classes(
    programs: Sequence[Program], class_names: Sequence[str], asked: str | None
) -> list[str]:
    """Returns the classes to compare, in the order of the first program.

    Args:
        programs: at least one.
        class_names: of the set.
        asked: those asked for, separated by commas; None for all.

    Raises:
        UsageError: there are none, or one asked for is unknown to the set or to a program.
    """
    known = set(class_names).intersection(*(program.class_names for program in programs))
    shared = [name for name in programs[0].class_names if name in known]
    wanted = shared if asked is None else asked.split(",")
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise UsageError(
            f"classes {', '.join(unknown) or 'none'}: must be of the set and of every program, "
            f"which share {', '.join(shared) or 'none'}"
        )
    return wanted


def measured_accuracy(programs: Sequence[Program], dataset: Dataset) -> dict[str, Accuracy]:
    """Returns the accuracy of each program, by name, for all classes of the set."""
    ids = {name: index for index, name in enumerate(dataset.class_names)}
    new_ids = {
        program.name: np.array([ids.get(name, -1) for name in program.class_names], np.int64)
        for program in programs
    }
    truths = []
    found: dict[str, list[Detections]] = {program.name: [] for program in programs}
    with Progress("detect", total=len(dataset), unit="pictures") as progress:
        for index in range(len(dataset)):
            sample = dataset.load(index)
            truths.append(truth_of(sample))
            for program in programs:
                each = program.find(sample.image_bgr)
                class_ids = new_ids[program.name][each.class_ids]
                renamed = Detections(each.boxes_xyxy, each.scores, class_ids, dataset.class_names)
                found[program.name].append(renamed.select(class_ids >= 0))
            progress.advance()
    return {
        name: average_precision(truths, each, dataset.class_names) for name, each in found.items()
    }


if __name__ == "__main__":
    sys.exit(main())
