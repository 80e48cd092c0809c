"""`spotlet experiment`: repeats a published experiment; prints a table, curves and verdicts."""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from spotlet.atomic import atomic_file
from spotlet.errors import UsageError
from spotlet.text.terminal import Progress, duration
from spotlet_training.learning.hardware import keep_freed_memory, pick_device, pick_precision
from spotlet_training.learning.settings import DEVICES, PRECISIONS, TrainingSettings
from spotlet_training.localization.experiment import run_ladder
from spotlet_training.localization.figures import draw_curves, draw_scenes
from spotlet_training.localization.frozen import frozen_set
from spotlet_training.localization.ladder import AFTER, BEFORE, BEST, Step, ladder
from spotlet_training.localization.learning import EpochFigures
from spotlet_training.localization.measures import constant_box
from spotlet_training.localization.report import (
    changes_table,
    results_record,
    results_table,
    summarise,
    verdicts,
    verdicts_table,
)
from spotlet_training.localization.runs import (
    Run,
    RunFolder,
    checkpoint_path,
    load_localizer,
)
from spotlet_training.localization.scenes import VARIANTS, FrozenSet

EPOCHS, SEEDS = 30, 3
QUICK_EPOCHS, QUICK_SEEDS = 8, 1

RESULTS, CURVES, SCENES = "results.json", "curves.png", "scenes.png"
"""Files in the output folder."""

ROUNDED = "not the frozen one: the same scenes, a few pixels rounded differently"

QUICK_NOTE = "QUICK: fewer scenes and epochs; not the experiment's figures"

CAPTION = """Last epoch's weights, measured on the held-out scenes unless the column says training;
mean ± standard deviation over the seeds. Common error: the error that all boxes share, in units
of the canvas. (mean box): the mean training box for every scene, without looking at it."""

PICTURED = (BEFORE, AFTER, BEST)
"""The steps in the pictures."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "name",
        choices=("localization",),
        help="localization: a network that classifies well and localizes poorly, and the cure",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"fewer scenes, {QUICK_EPOCHS} epochs, one seed: a demonstration, not the figures",
    )
    parser.add_argument(
        "--scenes",
        choices=VARIANTS,
        default="plain",
        help="photo: photographs as background, any position and scale [%(default)s]",
    )
    parser.add_argument(
        "--steps", metavar="A,B", help="only these steps of the ladder (default: all)"
    )
    parser.add_argument("--seeds", type=int, help=f"runs of each step [{SEEDS}; quick: 1]")
    parser.add_argument(
        "--device", choices=DEVICES, default="auto", help="auto uses CUDA if available"
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="auto takes bfloat16 if the hardware multiplies it",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="finished runs there are not trained again (default: runs/localization…)",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns 0, or raises the error of the exit code."""
    hardware = TrainingSettings(device=args.device, precision=args.precision)
    device = pick_device(hardware)
    precision = pick_precision(hardware, device)
    dtype = str(precision).removeprefix("torch.")
    quick = args.quick
    seeds = args.seeds if args.seeds is not None else QUICK_SEEDS if quick else SEEDS
    if seeds < 1:
        raise UsageError(f"--seeds {seeds}: must be at least 1")
    whole = ladder(QUICK_EPOCHS if quick else EPOCHS)
    steps = chosen_steps(whole, args.steps)
    out = args.out or default_folder(args.scenes, quick=quick)
    data = frozen_set(args.scenes, quick=quick)
    if quick:
        print(QUICK_NOTE)
    print(
        f"{len(data.train)} scenes to train on, {len(data.val)} held out, {args.scenes}; "
        f"SHA-256 {data.digest[:12]}…, {'the frozen one' if data.exact else ROUNDED}\n"
        f"{len(steps)} steps, {seeds} seed{'s' if seeds > 1 else ''}, on {device} in {dtype}, "
        f"writing to {out}\nfinished runs stay there: to resume, run the same command again\n\n"
        f"{changes_table(steps)}\n",
        flush=True,
    )
    keep_freed_memory()
    started = time.perf_counter()
    folder = RunFolder(out, data, device, precision)
    done = {(run.step, run.seed) for run in folder.finished(whole)}
    todo = [step for step in steps for seed in range(seeds) if (step.name, seed) not in done]
    total = sum(step.recipe.epochs for step in todo)
    with Progress("experiment", total=total, unit="epochs", plain_seconds=30) as progress:

        def after_epoch(step: Step, seed: int, epoch: int, figures: EpochFigures) -> None:
            progress.advance(
                note=f"{step.name} seed {seed} epoch {epoch}: accuracy "
                f"{figures.val_accuracy:.3f}, IoU {figures.val_iou:.3f}"
            )

        def after_run(run: Run, found: bool) -> None:
            val = run.outcome.val
            progress.message(
                f"{run.step} seed {run.seed}: accuracy {val.accuracy:.3f}, IoU {val.iou:.3f}, "
                + ("finished before" if found else duration(run.outcome.seconds))
            )

        run_ladder(steps, seeds, folder, on_epoch=after_epoch, on_run=after_run)
    # All runs in the folder, so that a later call for some steps removes nothing.
    runs = folder.finished(whole)
    report(whole, runs, data, out, {"device": device.type, "precision": dtype})
    print(duration(time.perf_counter() - started))
    if checkpoint_path(out, BEST, 0).is_file():
        print(f"next: spotlet export {checkpoint_path(out, BEST, 0)} --out models/localizer")
    return 0


def report(
    steps: Sequence[Step],
    runs: Sequence[Run],
    data: FrozenSet,
    out: Path,
    hardware: dict[str, str],
) -> None:
    """Prints the results of the runs, and writes `RESULTS` and the pictures.

    Verdicts are for the experiment only: its conditions do not apply to other scenes.

    Raises:
        OutputError: a file cannot be written.
    """
    summaries, reference = summarise(steps, runs), constant_box(data)
    judged = data.variant == "plain" and not data.quick
    lines = verdicts(summaries) if judged else []
    record = results_record(data, reference, summaries, runs, lines, hardware)
    with atomic_file(out / RESULTS) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    first = {run.step for run in runs if run.seed == 0}
    pictured = [step for step in steps if step.name in PICTURED and step.name in first]
    if pictured:
        title = f"{data.variant} scenes{', QUICK' if data.quick else ''}"
        draw_curves(pictured, runs, out / CURVES, title)
        networks = [(step.name, load_localizer(out, step.name, 0)) for step in pictured]
        draw_scenes(networks, data, out / SCENES)
    print(f"\n{results_table(summaries, reference)}\n\n{CAPTION}")
    if lines:
        print(f"\n{verdicts_table(lines)}")
    if data.quick:
        print(f"\n{QUICK_NOTE}")
    print(f"\n{out}: {RESULTS}{f', {CURVES}, {SCENES}' if pictured else ''}")


def chosen_steps(steps: tuple[Step, ...], names: str | None) -> tuple[Step, ...]:
    """Returns the steps with the names, in the ladder's order; all steps for None.

    Raises:
        UsageError: an unknown name.
    """
    if names is None:
        return steps
    asked = [name.strip() for name in names.split(",")]
    known = [step.name for step in steps]
    if not set(asked) <= set(known):
        raise UsageError(f"--steps {names!r}: unknown step; must be of {', '.join(known)}")
    return tuple(step for step in steps if step.name in asked)


def default_folder(scenes: str, *, quick: bool) -> Path:
    """Returns the folder of an experiment: always the same, so that it can be resumed."""
    parts = ["localization", *(["photo"] if scenes == "photo" else []), *(["quick"] * quick)]
    return Path("runs") / "-".join(parts)
