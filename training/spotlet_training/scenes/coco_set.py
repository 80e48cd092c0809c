"""Scenes as a COCO set on disk, for `spotlet train` and other tools."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2

from spotlet.atomic import atomic_folder
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


def _write_images(
    folder: Path, dataset: Dataset, on_image: Callable[[], None]
) -> dict[str, list[dict[str, object]]]:
    """Writes a split's images and returns its annotations; ids count from 1."""
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for index in range(len(dataset)):
        sample = dataset.load(index)
        file_name = f"{sample.name}.jpg"
        setting = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        _, encoded = cv2.imencode(".jpg", sample.image_bgr, setting)
        (folder / file_name).write_bytes(encoded.tobytes())
        height, width = sample.image_bgr.shape[:2]
        images.append({"id": index + 1, "file_name": file_name, "width": width, "height": height})
        for box, class_id in zip(
            sample.boxes_xyxy.tolist(), sample.class_ids.tolist(), strict=True
        ):
            sides = [box[2] - box[0], box[3] - box[1]]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": index + 1,
                    "category_id": class_id + 1,
                    "bbox": [*box[:2], *sides],
                    "area": sides[0] * sides[1],
                    "iscrowd": 0,
                }
            )
        on_image()
    categories: list[dict[str, object]] = [
        {"id": class_id + 1, "name": name} for class_id, name in enumerate(dataset.class_names)
    ]
    return {"images": images, "annotations": annotations, "categories": categories}
