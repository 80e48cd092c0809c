"""What the faults are planted in: a bundled detector, its checkpoint, and generated pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from benchmarks.export_faults.fault import Fault, NotApplicableError
from benchmarks.peers.yolo_files import write_yolo_set

from spotlet.letterbox import ImageArray
from spotlet.model import locate_model
from spotlet_export.graph.graph import build_graph
from spotlet_export.package.describing import make_manifest
from spotlet_export.package.recovery import recover_checkpoint
from spotlet_training.datasets import Dataset, open_splits
from spotlet_training.network.checkpoint import Checkpoint
from spotlet_training.scenes import validation_scenes, write_coco_set

PICTURES, PICTURE_HW = 24, (240, 320)
"""Generated scenes, wider than the canvas, so that the letterbox matters."""

CANVASES = 8
"""Of the pictures, for tools that compare tensors."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """A sound detector and what is needed to compare others with it.

    Attributes:
        folder: for files of the tools.
        checkpoint: the network in PyTorch.
        model: its sound export.
        good: the same as a file.
        pictures: labelled.
        coco: the pictures as a COCO set.
        yolo: as a YOLO set; its `data.yaml`.
        canvases: (N, H, W, 3) uint8 BGR, of the first pictures.
    """

    folder: Path
    checkpoint: Checkpoint
    model: onnx.ModelProto
    good: Path
    pictures: Dataset
    coco: Path
    yolo: Path
    canvases: ImageArray


def make_subject(package: str, folder: Path) -> Subject:
    """Returns the detector of a package of garments, whose scenes can be generated.

    Args:
        package: a name or path.
        folder: to write into.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = recover_checkpoint(locate_model(Path(package)))
    model = build_graph(checkpoint.network, make_manifest(checkpoint, "garments"))
    good = folder / "good.onnx"
    good.write_bytes(model.SerializeToString())
    pictures = validation_scenes(PICTURES, 0, "sample", PICTURE_HW)
    coco = folder / "coco"
    if not coco.is_dir():
        write_coco_set(coco, pictures, pictures)
    rule = make_manifest(checkpoint, "garments").input
    frames = [pictures.load(index).image_bgr for index in range(CANVASES)]
    return Subject(
        folder=folder,
        checkpoint=checkpoint,
        model=model,
        good=good,
        pictures=pictures,
        coco=coco,
        yolo=write_yolo_set(folder / "yolo", open_splits(coco)),
        canvases=np.stack([rule.letterbox(frame.shape[:2]).apply(frame) for frame in frames]),
    )


def plant_all(subject: Subject, faults: Mapping[str, Fault]) -> dict[str, Path]:
    """Returns the planted files, by fault, and the sound one as `good`."""
    folder = subject.folder / "planted"
    folder.mkdir(exist_ok=True)
    files = {"good": subject.good}
    for name, fault in faults.items():
        try:
            planted = fault.plant(subject.model)
        except NotApplicableError:
            continue
        files[name] = folder / f"{name}.onnx"
        files[name].write_bytes(planted.SerializeToString())
    return files


def same_graph(one: Path, other: Path) -> bool:
    """Returns whether two files differ in metadata only."""
    first, second = (onnx.load(file).graph.SerializeToString() for file in (one, other))
    return bool(first == second)
