"""`spotlet train`: a labelled set in, the best checkpoint out."""

import argparse
import os
import shlex
import time
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path

import cv2
import torch

from spotlet.cores import automatic_threads
from spotlet.errors import UsageError
from spotlet.text.terminal import Progress, duration, table
from spotlet_training.commands.recipe_options import add_recipe_arguments, asked_settings
from spotlet_training.commands.set_options import (
    add_set_arguments,
    asked_sets,
    set_words,
    sets_name,
)
from spotlet_training.datasets.fingerprint import fingerprint
from spotlet_training.inspection import require_harmless
from spotlet_training.learning.distributed import Ranks, joined
from spotlet_training.learning.hardware import pick_device, pick_precision
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.report import report_training
from spotlet_training.run_folder.state import LAST_STATE, check_resumable, load_state
from spotlet_training.training import BEST_CHECKPOINT, Epoch, Step, train

DEFAULTS = TrainingSettings()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_set_arguments(parser)
    add_recipe_arguments(parser)
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="default: a new folder runs/DATASET"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the checkpoint in --out")
    parser.add_argument(
        "--accept-problems",
        action="store_true",
        help="train despite problems that harm the result; `spotlet data check` lists them",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue the training that was stopped in --out, with its settings",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns 0, or raises the error of the exit code.

    With `torchrun`, only the first process prints and writes.
    """
    with joined(args.device or DEFAULTS.device) as ranks, ExitStack() as stack:
        if not ranks.first:
            nowhere = stack.enter_context(Path(os.devnull).open("w"))
            stack.enter_context(redirect_stdout(nowhere))
            stack.enter_context(redirect_stderr(nowhere))
        return _run(args, ranks)


def _run(args: argparse.Namespace, ranks: Ranks) -> int:
    out = args.out
    if args.resume:
        check_resume(args)
    elif ranks.first:
        out = pick_folder(out, sets_name(args.dataset), overwrite=args.overwrite)
    out = ranks.from_first(out)
    saved = load_state(out / LAST_STATE) if args.resume else None
    settings = asked_settings(args, saved.settings if saved else DEFAULTS)
    epochs = list(saved.epochs) if saved else []
    splits = asked_sets(args.dataset, args.exhaustive)
    shown = ", ".join(map(str, args.dataset))
    if saved:
        check_resumable(saved, settings, fingerprint(splits.train, splits.val))
    # Problems of a resumed training were accepted when it was started.
    accept = args.accept_problems or args.resume
    problems = require_harmless(
        shown, splits, settings.size_hw, accept=accept, tiles=settings.tiles
    )
    device = pick_device(settings)
    dtype = str(pick_precision(settings, device)).removeprefix("torch.")
    for note in (*splits.notes, *problems):
        print(f"note: {note}")
    print(
        f"{shown}: {splits.format}, {len(splits.train)} images to train on, "
        f"{len(splits.val)} to validate on, classes {', '.join(splits.class_names)}"
    )
    together = f", {ranks.count} processes" if ranks.count > 1 else ""
    kind = f"{settings.size} on {device} in {dtype}"
    print(f"training {kind}{together}, writing to {out}", flush=True)
    if saved and saved.finished:
        print(f"all {len(epochs)} epochs of this training are done: nothing to resume")
    elif saved:
        print(f"resuming after epoch {len(epochs)} of {settings.epochs}", flush=True)
    if threads := automatic_threads():  # torch does not know a container's limit
        torch.set_num_threads(threads)
    # Our own threads prepare the pictures; OpenCV's would compete with torch's for the cores.
    cv2.setNumThreads(1)
    started = time.perf_counter()
    left = settings.epochs - len(epochs)
    steps = left * settings.steps_per_epoch(len(splits.train))
    steps_done = 0
    with Progress("train", total=steps, unit="steps") as progress:

        def after_step(step: Step) -> None:
            nonlocal steps_done
            steps_done += 1
            progress.advance(note=f"loss {step.loss:.3f}")

        def after_epoch(epoch: Epoch) -> None:
            epochs.append(epoch)
            progress.message(
                f"epoch {epoch.number:>3}/{settings.epochs}  loss {epoch.loss:.3f}  "
                f"AP50 {epoch.ap50:.3f}  AP {epoch.ap:.3f}  "
                f"{epoch.seconds:.1f} s{'  best so far' if epoch.best else ''}"
            )

        try:
            train(
                splits.train,
                splits.val,
                settings,
                out,
                resume=args.resume,
                ranks=ranks,
                data_name=sets_name(args.dataset),
                on_step=after_step,
                on_epoch=after_epoch,
                on_note=progress.message,
            )
        except KeyboardInterrupt:
            if saved or steps_done:
                given = set_words(args.dataset, args.exhaustive)
                progress.message(stopped_line(out, given))
            raise
    best = [epoch for epoch in epochs if epoch.best][-1]
    print(table(best.accuracy.rows(), header=("class", "AP50", "AP")))
    print(
        f"best: epoch {best.number}, validation AP50 {best.ap50:.3f}, "
        f"AP {best.ap:.3f}; {duration(time.perf_counter() - started)}"
    )
    if ranks.first:
        print(report_training(out / BEST_CHECKPOINT, splits.val))
    words = ["spotlet", "export", str(out / BEST_CHECKPOINT)]
    words += set_words(args.dataset, args.exhaustive, "--data")
    words += ["--out", f"models/{sets_name(args.dataset)}"]
    print(f"next: {shlex.join(words)}")
    return 0


def check_resume(args: argparse.Namespace) -> None:
    """Checks the options given together with `--resume`.

    Raises:
        UsageError: --out is missing, or an option contradicts it.
    """
    if args.out is None:
        raise UsageError("--resume: needs --out, the folder of the training that was stopped")
    for name in ("weights", "overwrite"):
        if getattr(args, name):
            raise UsageError(f"--resume: continues the training in --out; drop --{name}")


def stopped_line(out: Path, sets: Sequence[str]) -> str:
    """Returns the line to print after an interrupted training; `sets` are words that give them."""
    if not (out / LAST_STATE).exists():
        return "stopped before the end of the first epoch: nothing to resume"
    state = load_state(out / LAST_STATE)
    words = ["spotlet", "train", *sets, "--out", str(out), "--resume"]
    return (
        f"stopped after epoch {len(state.epochs)} of {state.settings.epochs}; "
        f"to resume: {shlex.join(words)}"
    )


def pick_folder(asked: Path | None, name: str, *, overwrite: bool) -> Path:
    """Returns the output folder: the one given, or a new one, named after the sets.

    Raises:
        UsageError: the given folder contains a checkpoint, and `overwrite` is off.
    """
    if asked is not None:
        if (asked / BEST_CHECKPOINT).exists() and not overwrite:
            raise UsageError(
                f"{asked}: contains a checkpoint; give another --out, or --overwrite to replace it"
            )
        return asked
    number = 1
    while (folder := Path("runs") / (name if number == 1 else f"{name}-{number}")).exists():
        number += 1
    return folder
