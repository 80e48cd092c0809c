"""`spotlet learn`: pictures and a model in, a smaller model of one's own out, in four commands."""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

from spotlet.cli import call
from spotlet_export.commands.learning_steps import (
    LABELS,
    MODEL,
    SET,
    LearnRecord,
    LearnSettings,
    learning_steps,
)
from spotlet_training.commands import train
from spotlet_training.commands.recipe_options import asked_settings
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.network.settings import SIZES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments; `spotlet label`, `train` and `export` have more."""
    parser.add_argument("pictures", nargs="+", help="pictures, folders of them, videos")
    parser.add_argument(
        "--with",
        dest="models",
        action="append",
        default=[],
        metavar="MODEL",
        help="labels the pictures: a bundled name, a package, an .onnx file; repeatable",
    )
    parser.add_argument(
        "--runner",
        dest="runners",
        action="append",
        default=[],
        metavar="COMMAND",
        help="a program that labels them, see docs/runners.md; repeatable",
    )
    parser.add_argument(
        "--classes",
        metavar="NAMES",
        help="to learn, as in person,car,truck=vehicle (default: all that the models know)",
    )
    parser.add_argument("--score", metavar="SCORES", help="threshold of a label, as in `label`")
    parser.add_argument("--every", type=int, metavar="N", help="of a video, every n-th frame")
    parser.add_argument("--passes", metavar="NAMES", help="over each picture, as in `label`")
    parser.add_argument("--size", choices=SIZES, help="of the network to train")
    parser.add_argument("--image-size", metavar="N|HxW", help="of its canvas, pixels")
    parser.add_argument("--epochs", type=int, help="of the training")
    parser.add_argument("--seed", type=int, help="of the training")
    parser.add_argument("--int8", action="store_true", help="also export an int8 variant")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="folder of all that is made"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns the exit code of the step that failed, or 0."""
    given = {field.name: getattr(args, field.name) for field in fields(LearnSettings)}
    lists = {name: tuple(given[name]) for name in ("pictures", "models", "runners")}
    again = shlex.join(["spotlet", "learn", *args.words])
    return learn(LearnSettings(**{**given, **lists}), args.out, again)


def learn(
    settings: LearnSettings,
    out: Path,
    again: str,
    *,
    call: Callable[[Sequence[str]], int] = call,
) -> int:
    """Labels, checks, trains and exports, without what an earlier call has done.

    Args:
        settings: what to label, with what, and how to train.
        out: folder of all that is made.
        again: the command that continues, as typed.
        call: runs a command.

    Returns:
        The exit code: 0, or that of the step that failed.

    Raises:
        UsageError: a setting breaks a rule, or the folder was begun with other settings.
        SpotletError: that of the step that failed.
    """
    steps = learning_steps(settings, out)
    # A wrong recipe is refused before an hour of labelling, not after.
    recipe = argparse.ArgumentParser()
    train.add_arguments(recipe)
    words = next(step.words for step in steps if step.name == "train")
    asked_settings(recipe.parse_args(words[1:]), TrainingSettings())
    record = LearnRecord(out, steps)
    for number, step in enumerate(steps, 1):
        done = record.is_done(step)
        line = shlex.join(["spotlet", *(step.words if done else record.words(step))])
        print(f"step {number} of {len(steps)}{', done before' if done else ''}: {line}", flush=True)
        if done:
            continue
        code = 1
        try:
            code = record.run(step, call)
        finally:
            if code and not record.remove_if_empty():
                print(f"step {number} did not finish; to continue: {again}", file=sys.stderr)
        if code:
            return code
    model = shlex.quote(str(out / MODEL))
    print(
        f"done. AP here is against the labels of the teacher, not of a person: correct those of "
        f"{out / LABELS} in a labelling tool (see {out / SET / 'report.html'}) and repeat the "
        f"command to train on them.\nrun it: spotlet run {model} SOURCE"
    )
    return 0
