"""The whole experiment: every step with every seed, finished runs kept."""

import hashlib
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import count
from os import cpu_count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from spotlet.atomic import atomic_file
from spotlet.errors import OutputError, UsageError
from spotlet_training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from spotlet_training.localization.ladder import Step
from spotlet_training.localization.learning import (
    EpochFigures,
    Measures,
    Outcome,
    learn,
)
from spotlet_training.localization.scenes import FrozenSet
from spotlet_training.network import Localizer

RUNS = "runs"
"""Folder in the output folder: for each run a checkpoint, then its figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One step with one seed.

    Attributes:
        step: name of the step.
        seed: of all chance in it.
        outcome: what it came to.
        surroundings: versions and machine that made it.
    """

    step: str
    seed: int
    outcome: Outcome
    surroundings: dict[str, Any]


def run_ladder(
    steps: Sequence[Step],
    seeds: int,
    data: FrozenSet,
    out: Path,
    *,
    device: torch.device,
    precision: torch.dtype,
    on_epoch: Callable[[Step, int, int, EpochFigures], None] = lambda *_: None,
    on_run: Callable[[Run, bool], None] = lambda *_: None,
) -> list[Run]:
    """Trains what is not trained yet, and returns all runs, seed by seed.

    Args:
        steps: of the ladder.
        seeds: how many of each step, from 0.
        data: the scenes.
        out: folder for `RUNS`; runs that lie there are not trained again.
        device: where to train.
        precision: of the training's convolutions.
        on_epoch: called with step, seed, epoch from 1 and figures.
        on_run: called with a run, and whether it lay there already.

    Raises:
        UsageError: the folder holds a run of other scenes, another recipe or precision.
        OutputError: the folder cannot be written; nothing was trained.
        TrainingError: a loss is not a finite number.
    """
    try:
        (out / RUNS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{out}: cannot be made ({error.strerror}); give another --out"
        ) from error
    todo = [(step, seed) for seed in range(seeds) for step in steps]
    # All of them before the first is trained, or an hour is lost to the last one's refusal.
    known = {
        (step.name, seed): read_run(out, step, seed, _terms(step, data, device, precision))
        for step, seed in todo
    }
    runs = []
    for step, seed in todo:
        run = known[step.name, seed]
        found = run is not None
        if run is None:
            tell = partial(on_epoch, step, seed)
            network, outcome = learn(step.recipe, data, seed, device, precision, tell)
            run = Run(step=step.name, seed=seed, outcome=outcome, surroundings=surroundings())
            write_run(out, run, network, data, _terms(step, data, device, precision))
        runs.append(run)
        on_run(run, found)
    return runs


def finished_runs(
    steps: Sequence[Step],
    data: FrozenSet,
    out: Path,
    *,
    device: torch.device,
    precision: torch.dtype,
) -> list[Run]:
    """Returns the runs that lie in a folder, step by step, each step's seeds from 0 on.

    Raises:
        UsageError: one of them is of other scenes, another recipe or precision.
    """
    runs = []
    for step in steps:
        terms = _terms(step, data, device, precision)
        for seed in count():
            run = read_run(out, step, seed, terms)
            if run is None:
                break
            runs.append(run)
    return runs


def checkpoint_path(out: Path, step: str, seed: int) -> Path:
    """Returns where the checkpoint of a run lies."""
    return out / RUNS / f"{step}-{seed}.safetensors"


def load_localizer(out: Path, step: str, seed: int) -> Localizer:
    """Returns the network of a run.

    Raises:
        CheckpointError: it cannot be read.
    """
    network = load_checkpoint(checkpoint_path(out, step, seed)).network
    assert isinstance(network, Localizer)
    return network


def write_run(
    out: Path, run: Run, network: Localizer, data: FrozenSet, terms: dict[str, Any]
) -> None:
    """Writes a run's checkpoint, then its figures, each whole or not at all.

    Raises:
        OutputError: the folder cannot be written.
    """
    record = {
        "data": f"frozen {data.variant} scenes of Fashion-MNIST, SHA-256 {data.digest[:12]}…",
        "settings": terms["recipe"],
        "epoch": terms["recipe"]["epochs"],
        "train_images": len(data.train),
        "val_images": len(data.val),
        "val_accuracy": round(run.outcome.val.accuracy, 4),
        "val_iou": round(run.outcome.val.iou, 4),
        "torch": torch.__version__,
    }
    path = checkpoint_path(out, run.step, run.seed)
    save_checkpoint(
        Checkpoint(network=network, class_names=data.class_names, training=record), path
    )
    content = {"terms": terms, "checkpoint_sha256": _sha256(path), **asdict(run)}
    with atomic_file(_figures_path(out, run.step, run.seed)) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def read_run(out: Path, step: Step, seed: int, terms: dict[str, Any]) -> Run | None:
    """Returns a run that was finished before; None where there is none.

    A run whose checkpoint is gone, or not the one that it wrote, is none.

    Raises:
        UsageError: its figures cannot be read, or it was made on other terms.
    """
    path, checkpoint = _figures_path(out, step.name, seed), checkpoint_path(out, step.name, seed)
    if not path.is_file() or not checkpoint.is_file():
        return None
    try:
        content = json.loads(path.read_text("utf-8"))
        same = content["terms"] == terms
        whole = content["checkpoint_sha256"] == _sha256(checkpoint)
        run = Run(
            step=step.name,
            seed=seed,
            outcome=_outcome(content["outcome"]),
            surroundings=content["surroundings"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: not a run's figures; give another --out") from error
    if not same:
        raise UsageError(
            f"{path}: a run of other scenes, another recipe or precision; give another --out"
        )
    return run if whole else None


def surroundings() -> dict[str, Any]:
    """Returns versions and machine, for the record."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "processors": cpu_count(),
        "threads": torch.get_num_threads(),
    }


def _terms(
    step: Step, data: FrozenSet, device: torch.device, precision: torch.dtype
) -> dict[str, Any]:
    """Returns what must be the same for a run to be the same, as JSON gives it back."""
    terms = {
        "recipe": asdict(step.recipe),
        "scenes": data.digest,
        "device": device.type,
        "precision": str(precision).removeprefix("torch."),
    }
    same: dict[str, Any] = json.loads(json.dumps(terms))
    return same


def _outcome(content: dict[str, Any]) -> Outcome:
    outcome = Outcome(**content)
    return replace(
        outcome,
        epochs=tuple(EpochFigures(**figures) for figures in content["epochs"]),
        train=Measures(**content["train"]),
        val=Measures(**content["val"]),
    )


def _figures_path(out: Path, step: str, seed: int) -> Path:
    return out / RUNS / f"{step}-{seed}.json"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
