"""`spotlet learn`: pictures and a model in, a smaller model of one's own out, in four commands."""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

from spotlet.cli import call
from spotlet_export.commands.learning_record import LearnRecord
from spotlet_export.commands.learning_steps import (
    LABELS,
    MODEL,
    SET,
    LearnSettings,
    Step,
    learning_steps,
)
from spotlet_training.commands import train
from spotlet_training.commands.label import add_teacher_arguments
from spotlet_training.commands.recipe_options import asked_settings
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.network.settings import SIZES
from spotlet_training.run_folder.folder import claimed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments; `spotlet label`, `train` and `export` have more."""
    add_teacher_arguments(parser)
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
        UsageError: a setting breaks a rule, or the folder was begun with other settings, or is
            being written by another process.
        SpotletError: that of the step that failed.
    """
    steps = learning_steps(settings, out)
    # A wrong recipe is refused before an hour of labelling, not after.
    recipe = argparse.ArgumentParser()
    train.add_arguments(recipe)
    words = next(step.words for step in steps if step.name == "train")
    asked_settings(recipe.parse_args(words[1:]), TrainingSettings())
    record = LearnRecord(out, steps)
    with claimed(out):
        code = _take(steps, record, again, call)
    if code == 0:
        model = shlex.quote(str(out / MODEL))
        print(
            "done. AP here is against the labels of the teacher, not of a person: correct those of "
            f"{out / LABELS} in a labelling tool (see {out / SET / 'report.html'}) and repeat the "
            f"command to train on them.\nrun it: spotlet run {model} SOURCE"
        )
    return code


def _take(
    steps: Sequence[Step], record: LearnRecord, again: str, call: Callable[[Sequence[str]], int]
) -> int:
    """Takes the steps that are due; returns the exit code of one that failed, or 0."""
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
                way = f"to continue: {again}"
                if record.has_failed:
                    way = f"the same command would fail again: {step.remedy}, and repeat it"
                print(f"step {number} did not finish; {way}", file=sys.stderr)
        if code:
            return code
    return 0
