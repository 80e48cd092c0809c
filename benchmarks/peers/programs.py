"""Peers: other projects' recipes, run as the programs that they install.

Nothing is imported from them; only their documented command lines and files are used.
Each trains with its own defaults (batch, optimiser, augmentation, precision).
"""

import json
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.contender import ContenderError, Measures, Plan
from benchmarks.peers.environment import Environment
from benchmarks.peers.graphs import count_parameters
from benchmarks.peers.results import read_results
from benchmarks.peers.yolo_files import image_stems

from spotlet.detections import Detections
from spotlet.evaluation import average_precision
from spotlet_training.datasets import LabelledImages
from spotlet_training.evaluation.evaluation import COCO_RULE, truth_of

WEIGHTS = Path("train", "weights", "best.pt")
PREDICTIONS = Path("val", "predictions.json")


@dataclass(frozen=True, slots=True)
class Peer(ABC):
    """A contender with another project's recipe.

    Attributes:
        name: of its model, as for its program.
        environment: where it is installed.
    """

    name: str
    environment: Environment

    @abstractmethod
    def train(self, plan: Plan, seed: int, folder: Path) -> None:
        """Leaves a trained network in an empty folder."""

    @abstractmethod
    def validate(self, plan: Plan, folder: Path) -> tuple[float, float]:
        """Leaves `PREDICTIONS`, and returns AP and AP50 as its program prints them."""

    @abstractmethod
    def read_predictions(self, path: Path, images: LabelledImages) -> list[Detections]:
        """Returns the detections of the peer's validation in each image."""

    @abstractmethod
    def export(self, plan: Plan, folder: Path) -> Path:
        """Returns the ONNX file."""

    def measure(self, plan: Plan, folder: Path) -> Measures:
        """Returns our evaluator's accuracy of the detections of the peer's own validation."""
        own_ap, own_ap50 = self.validate(plan, folder)
        images = plan.splits.val
        found = self.read_predictions(folder / PREDICTIONS, images)
        truths = [truth_of(images.load(index)) for index in range(len(images))]
        accuracy = average_precision(truths, found, images.class_names)
        if accuracy.ap is None or accuracy.ap50 is None:
            raise ContenderError(f"{plan.name}: no object in the validation images to measure by")
        onnx = self.export(plan, folder)
        return Measures(
            ap=accuracy.ap,
            ap50=accuracy.ap50,
            own_ap=own_ap,
            own_ap50=own_ap50,
            parameters=count_parameters(onnx),
            onnx=onnx.relative_to(folder).as_posix(),
        )


class UltralyticsPeer(Peer):
    """A model of the `ultralytics` package, from its architecture and without weights.

    Source: https://docs.ultralytics.com/usage/cli/ and /modes/.
    """

    def train(self, plan: Plan, seed: int, folder: Path) -> None:
        """Leaves a trained network in an empty folder."""
        words = [
            "detect", "train", f"model={self.name}.yaml", f"data={plan.yolo}",
            f"epochs={plan.epochs}", f"seed={seed}", "pretrained=False", "name=train",
        ]  # fmt: skip
        self._run(words, plan, folder)

    def validate(self, plan: Plan, folder: Path) -> tuple[float, float]:
        """Leaves `PREDICTIONS`, and returns AP and AP50 as its program prints them."""
        words = [
            "detect", "val", f"model={folder / WEIGHTS}", f"data={plan.yolo}", "name=val",
            f"conf={COCO_RULE.score_threshold}", f"max_det={COCO_RULE.max_detections}",
            "save_json=True",
        ]  # fmt: skip
        text = self._run(words, plan, folder)
        rows = re.findall(r"^\s+all\s+(.+)$", text, re.MULTILINE)
        if not rows:
            raise ContenderError("`yolo detect val` printed no line `all`")
        *_, ap50, ap = map(float, rows[-1].split())
        return ap, ap50

    def read_predictions(self, path: Path, images: LabelledImages) -> list[Detections]:
        """Returns the detections; the file names images by their stems, and classes from 1."""
        return read_results(path, image_stems(images), 1, images.class_names)

    def export(self, plan: Plan, folder: Path) -> Path:
        """Returns the ONNX file, which is next to the weights."""
        self._run(["export", f"model={folder / WEIGHTS}", "format=onnx"], plan, folder)
        return (folder / WEIGHTS).with_suffix(".onnx")

    def _run(self, words: list[str], plan: Plan, folder: Path) -> str:
        shared = [
            f"imgsz={plan.image_size}", "device=cpu", f"project={folder}", "exist_ok=True",
            "plots=False",
        ]  # fmt: skip
        log = folder / f"{words[1] if words[0] == 'detect' else words[0]}.log"
        return self.environment.run(
            ["yolo", *words, *shared], log, folder=folder, threads=plan.threads
        )


class LibreYoloPeer(Peer):
    """A model of the `libreyolo` package (MIT), from its architecture and without weights.

    Source: `libreyolo train --help` and the other commands' help of release 1.6.
    """

    def train(self, plan: Plan, seed: int, folder: Path) -> None:
        """Leaves a trained network in an empty folder."""
        words = [
            "--model", self.name, "--data", str(plan.yolo), "--epochs", str(plan.epochs),
            "--seed", str(seed), "--no-pretrained", "--project", str(folder), "--name", "train",
            "--exist-ok",
        ]  # fmt: skip
        self._run("train", words, plan, folder)

    def validate(self, plan: Plan, folder: Path) -> tuple[float, float]:
        """Leaves `PREDICTIONS`, and returns AP and AP50 as its program prints them."""
        words = [
            "--model", str(folder / WEIGHTS), "--data", str(plan.yolo), "--save-json",
            "--conf", str(COCO_RULE.score_threshold), "--max-det", str(COCO_RULE.max_detections),
            "--project", str(folder), "--name", "val", "--exist-ok", "--json",
        ]  # fmt: skip
        metrics = last_json(self._run("val", words, plan, folder))["metrics"]
        return float(metrics["mAP50_95"]), float(metrics["mAP50"])

    def read_predictions(self, path: Path, images: LabelledImages) -> list[Detections]:
        """Returns the detections; the file numbers images, sorted by name, and classes from 0."""
        return read_results(path, [str(n) for n in range(len(images))], 0, images.class_names)

    def export(self, plan: Plan, folder: Path) -> Path:
        """Returns the ONNX file."""
        words = ["--model", str(folder / WEIGHTS), "--format", "onnx", "--json"]
        return folder / str(last_json(self._run("export", words, plan, folder))["output_path"])

    def _run(self, command: str, words: list[str], plan: Plan, folder: Path) -> str:
        shared = ["--imgsz", str(plan.image_size), "--device", "cpu"]
        return self.environment.run(
            ["libreyolo", command, *words, *shared],
            folder / f"{command}.log",
            folder=folder,
            threads=plan.threads,
        )


def last_json(text: str) -> dict[str, Any]:
    """Returns the last JSON object on a separate line.

    Raises:
        ContenderError: there is none.
    """
    lines = [line for line in text.splitlines() if line.startswith("{")]
    if not lines:
        raise ContenderError("the program printed no JSON")
    content: dict[str, Any] = json.loads(lines[-1])
    return content
