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


@dataclass(frozen=True, slots=True)
class Run:
    """One step with one seed.

    Attributes:
        step: name of the step.
        seed: of all randomness in it.
        outcome: its result.
        surroundings: the versions and machine that made it.
    """

    step: str
    seed: int
    outcome: Outcome
    surroundings: dict[str, Any]


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


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The runs of an experiment, in a folder.

    Attributes:
        out: the output folder.
        data: the scenes of every run.
        device: for every training.
        precision: of every training's convolutions.
    """

    out: Path
    data: FrozenSet
    device: torch.device
    precision: torch.dtype

    def finished(self, steps: Sequence[Step]) -> list[Run]:
        """Returns the finished runs, step by step, each step's seeds from 0 up.

        Raises:
            UsageError: one of them is of other scenes, recipe, device or precision.
        """
        runs = []
        for step in steps:
            seeds = count()
            while (run := self.read(step, next(seeds))) is not None:
                runs.append(run)
        return runs

    def read(self, step: Step, seed: int) -> Run | None:
        """Returns a finished run; None if there is none.

        A run counts as unfinished if its checkpoint is missing or not the one it wrote.

        Raises:
            UsageError: its figures cannot be read, or it is of other scenes, recipe, device or
                precision.
        """
        path = _figures_path(self.out, step.name, seed)
        checkpoint = checkpoint_path(self.out, step.name, seed)
        if not path.is_file() or not checkpoint.is_file():
            return None
        try:
            content = json.loads(path.read_text("utf-8"))
            same = content["terms"] == self._terms(step)
            whole = content["checkpoint_sha256"] == _sha256(checkpoint)
            outcome = _outcome(content["outcome"])
            run = Run(step.name, seed, outcome, content["surroundings"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path}: not the figures of a run; give another --out") from error
        if not same:
            raise UsageError(
                f"{path}: a run of other scenes, recipe, device or precision; give another --out"
            )
        return run if whole else None

    def write(self, step: Step, seed: int, network: Localizer, outcome: Outcome) -> Run:
        """Writes a run's checkpoint, then its figures, each whole or not at all; returns it.

        Raises:
            OutputError: the folder cannot be written.
        """
        terms = self._terms(step)
        data = self.data
        record = {
            "data": f"frozen {data.variant} scenes of Fashion-MNIST, SHA-256 {data.digest[:12]}…",
            "settings": terms["recipe"],
            "epoch": step.recipe.epochs,
            "train_images": len(data.train),
            "val_images": len(data.val),
            "val_accuracy": round(outcome.val.accuracy, 4),
            "val_iou": round(outcome.val.iou, 4),
            "torch": torch.__version__,
        }
        path = checkpoint_path(self.out, step.name, seed)
        save_checkpoint(
            Checkpoint(network=network, class_names=data.class_names, training=record), path
        )
        run = Run(step.name, seed, outcome, surroundings())
        content = {"terms": terms, "checkpoint_sha256": _sha256(path), **asdict(run)}
        with atomic_file(_figures_path(self.out, step.name, seed)) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        return run

    def _terms(self, step: Step) -> dict[str, Any]:
        """Returns the values that two equal runs share, as a dict for JSON."""
        terms = {
            "recipe": asdict(step.recipe),
            "scenes": self.data.digest,
            "device": self.device.type,
            "precision": str(self.precision).removeprefix("torch."),
        }
        same: dict[str, Any] = json.loads(json.dumps(terms))
        return same


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
