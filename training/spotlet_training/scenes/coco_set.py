"""Scenes as a COCO set on disk, for `spotlet train` and other tools."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

from spotlet.atomic import atomic_folder
from spotlet.coco_labels import CocoPicture, coco_content
from spotlet.errors import UsageError
from spotlet_training.datasets.sample import Dataset

JPEG_QUALITY = 92


def write_coco_set(
    folder: Path,
    train: Dataset,
    val: Dataset,
    *,
    on_image: Callable[[], None] = lambda: None,
) -> None:
    """Writes `train/`, `val/` and `annotations/` into a folder, all of it or nothing.

    Args:
        folder: new or empty.
        train: becomes `train/*.jpg` and `annotations/train.json`.
        val: becomes `val/*.jpg` and `annotations/val.json`; of the same classes.
        on_image: called after each image.

    Raises:
        UsageError: the folder is not empty.
        OutputError: it cannot be written.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder}: is not empty; give a new folder")
    with atomic_folder(folder) as whole:
        (whole / "annotations").mkdir()
        for name, dataset in (("train", train), ("val", val)):
            (whole / name).mkdir()
            content = _write_images(whole / name, dataset, on_image)
            text = json.dumps(content, separators=(",", ":"))
            (whole / "annotations" / f"{name}.json").write_text(text + "\n")


def _write_images(folder: Path, dataset: Dataset, on_image: Callable[[], None]) -> dict[str, Any]:
    """Writes a split's images and returns its COCO tables."""
    pictures = []
    for index in range(len(dataset)):
        sample = dataset.load(index)
        file_name = f"{sample.name}.jpg"
        setting = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        _, encoded = cv2.imencode(".jpg", sample.image_bgr, setting)
        (folder / file_name).write_bytes(encoded.tobytes())
        height, width = sample.image_bgr.shape[:2]
        pictures.append(
            CocoPicture(
                file_name=file_name,
                size_hw=(height, width),
                boxes_xyxy=sample.boxes_xyxy,
                class_ids=sample.class_ids,
                ignored=sample.ignored,
                unknown_ids=sample.unknown_ids,
            )
        )
        on_image()
    return coco_content(dataset.class_names, pictures)
