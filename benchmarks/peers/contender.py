"""Participants in the comparison of trainings: Spotlet and its peers."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from spotlet.errors import InputError
from spotlet_training.datasets import Splits

REASON_LENGTH = 160
"""Characters of a failed program's last error line that a message shows."""


class ContenderError(InputError):
    """A contender cannot be installed, or one of its programs failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One set and the length of training.

    Attributes:
        dataset: as the user gave it.
        name: of the set.
        splits: the set, opened.
        yolo: the `data.yaml` of the same set as YOLO txt.
        epochs: passes over the training images.
        image_size: side of the square canvas, pixels.
        threads: for each program.
    """

    dataset: Path
    name: str
    splits: Splits
    yolo: Path
    epochs: int
    image_size: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """How well a trained network does on the validation images.

    Attributes:
        ap: COCO's AP, by `spotlet.evaluation`.
        ap50: the same at IoU 0.50.
        own_ap: the contender's own program's AP for the same detections.
        own_ap50: the same at IoU 0.50.
        parameters: weights in the exported graph.
        onnx: file of the exported graph, at the plan's image size, in float32; relative to the
            training's folder.
    """

    ap: float
    ap50: float
    own_ap: float
    own_ap50: float
    parameters: int
    onnx: str


class Contender(Protocol):
    """A recipe that trains."""

    @property
    def name(self) -> str:
        """Its name in the table."""

    def train(self, plan: Plan, seed: int, folder: Path) -> None:
        """Leaves a trained network in an empty folder.

        Raises:
            ContenderError: it failed.
        """

    def measure(self, plan: Plan, folder: Path) -> Measures:
        """Returns how well the network in a folder does, and exports it there.

        Raises:
            ContenderError: it failed.
        """


def run_program(
    command: Sequence[str | Path],
    log: Path,
    *,
    folder: Path,
    threads: int = 0,
    variables: Mapping[str, str] | None = None,
) -> str:
    """Runs a program to its end and returns its output, which is also written to `log`.

    Args:
        command: the program and its arguments.
        log: file to write.
        folder: to run in.
        threads: of its numeric libraries; 0 leaves the choice to them.
        variables: added to its environment.

    Raises:
        ContenderError: it cannot be started, or did not end with 0.
    """
    counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
    limits = {name: str(count) for name, count in counts.items() if count}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        try:
            done = subprocess.run(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **limits, **(variables or {})},
                check=False,
            )
        except OSError as error:
            raise ContenderError(f"{command[0]}: cannot be started ({error.strerror})") from error
    text = log.read_text("utf-8", errors="replace")
    if done.returncode:
        said = [line.strip() for line in text.splitlines() if line.strip()]
        errors = [line for line in said if "error" in line.lower()]
        reason = (errors or said or ["no output"])[-1][:REASON_LENGTH]
        where = f"{log.parent.name}/{log.name}"
        raise ContenderError(f"exit code {done.returncode} ({reason}); see {where}")
    return text
