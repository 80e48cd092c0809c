"""Runs on disk: for each a checkpoint and a file of figures, which belong together."""

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from os import cpu_count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from spotlet.atomic import atomic_file
from spotlet.errors import UsageError
from spotlet_training.localization.ladder import Step
from spotlet_training.localization.learning import EpochFigures, Outcome
from spotlet_training.localization.measures import Measures
from spotlet_training.localization.scenes import FrozenSet
from spotlet_training.network import Localizer
from spotlet_training.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

RUNS = "runs"
"""Folder in the output folder: for each run a checkpoint, then its figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One step with one seed.

    Attributes:
        step: name of the step.
        seed: of all chance in it.
        outcome: its result.
        surroundings: the versions and machine that made it.
    """

    step: str
    seed: int
    outcome: Outcome
    surroundings: dict[str, Any]


def finished_runs(
    steps: Sequence[Step],
    data: FrozenSet,
    out: Path,
    *,
    device: torch.device,
    precision: torch.dtype,
) -> list[Run]:
    """Returns the finished runs in a folder, step by step, each step's seeds from 0 on.

    Raises:
        UsageError: one of them is of other scenes, recipe, device or precision.
    """
    runs = []
    for step in steps:
        terms = terms_of(step, data, device, precision)
        for seed in count():
            run = read_run(out, step, seed, terms)
            if run is None:
                break
            runs.append(run)
    return runs


def checkpoint_path(out: Path, step: str, seed: int) -> Path:
    """Returns the path of a run's checkpoint."""
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
    """Returns a finished run; None where there is none.

    A run counts as unfinished if its checkpoint is missing or not the one it wrote.

    Raises:
        UsageError: its figures cannot be read, or its terms differ.
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
        raise UsageError(f"{path}: not the figures of a run; give another --out") from error
    if not same:
        raise UsageError(
            f"{path}: a run of other scenes, recipe, device or precision; give another --out"
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


def terms_of(
    step: Step, data: FrozenSet, device: torch.device, precision: torch.dtype
) -> dict[str, Any]:
    """Returns what must be equal for a run to be the same, as JSON holds it."""
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
