"""A checkpoint or an exported model, measured on a labelled set."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from spotlet import Detector
from spotlet.manifest import DetectionRule
from spotlet.session import SessionSettings
from spotlet.tiles import TileSettings
from spotlet_training.datasets import Dataset
from spotlet_training.datasets.class_order import in_class_order
from spotlet_training.evaluation.evaluation import (
    Evaluation,
    evaluate_model,
    evaluate_network,
    network_detector,
)
from spotlet_training.evaluation.latency import Latency, measure_latency
from spotlet_training.evaluation.operating_point import THRESHOLD_KEY
from spotlet_training.network.checkpoint import load_checkpoint

CHECKPOINT_SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measurement:
    """A detector on a labelled set.

    Attributes:
        name: of the model, as the user gave it.
        evaluation: what it found, and how accurate that is.
        latency: how long it takes per frame.
        training: what it was trained on, and how; free JSON.
        own_threshold: the score threshold stored in it; None for a checkpoint without one.
    """

    name: str
    evaluation: Evaluation
    latency: Latency
    training: Mapping[str, Any]
    own_threshold: float | None

    @property
    def score_threshold(self) -> float:
        """The threshold to show detections at: the best on this set, or else the model's own."""
        best = self.evaluation.operating_point
        if best is not None:
            return best.score_threshold
        return DetectionRule().score_threshold if self.own_threshold is None else self.own_threshold

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as a dict for JSON."""
        best = self.evaluation.operating_point
        return {
            "model": self.name,
            "images": len(self.evaluation.truths),
            "unknown_images": self.evaluation.unknown_images,
            **asdict(self.evaluation.accuracy),
            "operating_point": None if best is None else asdict(best),
            "own_threshold": self.own_threshold,
            "latency": asdict(self.latency),
        }


def measure(
    model: str, dataset: Dataset, *, threads: int = 0, tiles: TileSettings | None = None
) -> Measurement:
    """Measures a checkpoint, through PyTorch, or an exported model, through the runtime.

    Args:
        model: path of a `.safetensors` file, or a model as `spotlet.Detector` takes it.
        dataset: labelled images, at least one, of the model's classes, matched by name.
        threads: for one inference; 0 leaves it to the engine.
        tiles: how images are cut; None: as it was trained.

    Raises:
        DatasetError: the set has other classes than the model.
        CheckpointError: the checkpoint cannot be read.
        ModelFileError: the model cannot be used.
        UsageError: the number of threads is out of range.
    """
    session = SessionSettings(threads=threads)
    if model.endswith(CHECKPOINT_SUFFIX):
        return _measure_checkpoint(model, dataset, session, tiles)
    return _measure_model(model, dataset, session, tiles)


def _measure_checkpoint(
    model: str, dataset: Dataset, session: SessionSettings, tiles: TileSettings | None
) -> Measurement:
    checkpoint = load_checkpoint(Path(model))
    tiles = checkpoint.tiles if tiles is None else tiles
    names = checkpoint.class_names
    dataset = in_class_order(dataset, names)
    before = torch.get_num_threads()
    torch.set_num_threads(session.threads or before)
    try:
        with ThreadPoolExecutor() as pool:
            evaluation = evaluate_network(checkpoint.network, dataset, pool, tiles)
        latency = measure_latency(
            network_detector(checkpoint.network, names, DetectionRule(), tiles),
            dataset,
            f"PyTorch {torch.__version__} on {checkpoint.network.device}, "
            f"{_threads_text(torch.get_num_threads())}{_tiles_text(tiles)}",
        )
    finally:
        torch.set_num_threads(before)
    return Measurement(
        name=model,
        evaluation=evaluation,
        latency=latency,
        training=checkpoint.training,
        own_threshold=checkpoint.training.get(THRESHOLD_KEY),
    )


def _measure_model(
    model: str, dataset: Dataset, session: SessionSettings, tiles: TileSettings | None
) -> Measurement:
    detector = Detector(model, session=session, tiles=tiles)
    dataset = in_class_order(dataset, detector.class_names)
    provider = detector.session.provider
    return Measurement(
        name=model,
        evaluation=evaluate_model(model, dataset, session, tiles),
        latency=measure_latency(
            detector,
            dataset,
            f"onnxruntime, {provider}, {_threads_text(session.threads)}"
            f"{_tiles_text(detector.tiles)}",
        ),
        training=detector.manifest.training,
        own_threshold=detector.rule.score_threshold,
    )


def _tiles_text(tiles: TileSettings) -> str:
    return f", tiles {tiles.layout}" if tiles else ""


def _threads_text(threads: int) -> str:
    if threads == 0:
        return f"default threads of {os.cpu_count()} processors"
    return f"{threads} thread{'s' if threads > 1 else ''}"
