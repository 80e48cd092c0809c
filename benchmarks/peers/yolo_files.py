"""Writes a labelled set of any format as YOLO txt, which other programs read."""

import shutil
from pathlib import Path

import numpy as np
import yaml

from spotlet.atomic import atomic_folder
from spotlet_training.datasets import ImageLabels, LabelledImages, Splits

DESCRIPTION = "data.yaml"


def write_yolo_set(folder: Path, splits: Splits) -> Path:
    """Writes `images/`, `labels/` and `data.yaml` into a folder, all or nothing.

    An existing folder stays unchanged. Objects that are neither trained on nor
    counted (COCO's crowds, VOC's difficult ones) are left out: YOLO txt cannot mark them.

    Returns:
        The `data.yaml`.

    Raises:
        OutputError: an image cannot be copied, or the folder cannot be written.
    """
    folder = folder.resolve()
    if not (folder / DESCRIPTION).is_file():
        with atomic_folder(folder) as whole:
            for split, images in (("train", splits.train), ("val", splits.val)):
                _write_split(whole, split, images)
            content = {
                "path": str(folder),
                "train": "images/train",
                "val": "images/val",
                "names": list(splits.class_names),
            }
            (whole / DESCRIPTION).write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
    return folder / DESCRIPTION


def image_stems(images: LabelledImages) -> list[str]:
    """Returns the names, without suffix, that a split's images have among the files."""
    # The number separates files of the same name in two folders, the word keeps programs from
    # reading the name as a number; and sorted by name the images are in our order.
    return [f"image-{number:06d}" for number in range(len(images))]


def _write_split(folder: Path, split: str, images: LabelledImages) -> None:
    for kind in ("images", "labels"):
        (folder / kind / split).mkdir(parents=True)
    for stem, labels in zip(image_stems(images), images.labels, strict=True):
        # Not linked: some programs repair a damaged file in place.
        shutil.copyfile(labels.path, folder / "images" / split / (stem + labels.path.suffix))
        text = "".join(f"{line}\n" for line in _label_lines(labels))
        (folder / "labels" / split / f"{stem}.txt").write_text(text)


def _label_lines(labels: ImageLabels) -> list[str]:
    """Returns class, centre and size of each object, the last four as fractions of the image."""
    boxes = labels.boxes_xyxy.astype(np.float64)
    if labels.size_hw is not None:
        height, width = labels.size_hw
        boxes /= [width, height, width, height]
    boxes = np.clip(boxes, 0, 1)
    sides = boxes[:, 2:] - boxes[:, :2]
    rows = np.concatenate([boxes[:, :2] + sides / 2, sides], axis=1).tolist()
    return [
        " ".join([str(class_id), *(f"{value:.7f}" for value in row)])
        for row, class_id, ignored in zip(
            rows, labels.class_ids.tolist(), labels.ignored.tolist(), strict=True
        )
        if not ignored
    ]
