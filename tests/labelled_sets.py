"""Small labelled sets on disk, the same in every format."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from spotlet.letterbox import ImageArray

FORMATS = ("coco", "voc", "yolo")
Box = tuple[float, float, float, float, int]


@dataclass
class Picture:
    """An image of a set: where it goes, what is on it.

    Boxes are left, top, right, bottom in pixels, and the class.
    """

    name: str
    split: str
    image: ImageArray
    boxes: list[Box] = field(default_factory=list)


def scenery(seed: int, size_hw: tuple[int, int] = (96, 128)) -> ImageArray:
    """Returns a picture like that of no other seed, coarse and fine in it as in photographs."""
    rng = np.random.default_rng(seed)
    image = np.full((*size_hw, 3), 128, np.float32)
    for cells in (3, 6, 12, 24, 48):
        octave = rng.normal(0, 120 / cells, (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(octave, (size_hw[1], size_hw[0]), interpolation=cv2.INTER_CUBIC)
    return np.clip(image, 0, 255).astype(np.uint8)


def clean_pictures(train: int = 4, val: int = 2, seed: int = 0) -> list[Picture]:
    """Returns pictures with nothing wrong, each with both of two classes."""
    pictures = []
    for number in range(train + val):
        rng = np.random.default_rng([seed, number])
        left, top = rng.integers(0, 30, 2).tolist()
        boxes: list[Box] = [(left, top, left + 30, top + 40, 0), (70, 50, 70 + left + 10, 90, 1)]
        split = "train" if number < train else "val"
        pictures.append(Picture(f"p{number}.png", split, scenery(1000 * seed + number + 1), boxes))
    return pictures


def write_set(
    root: Path, format_name: str, pictures: list[Picture], names: tuple[str, ...] = ("bolt", "nut")
) -> Path:
    """Writes a set and returns its folder."""
    {"coco": _write_coco, "voc": _write_voc, "yolo": _write_yolo}[format_name](
        root, pictures, names
    )
    return root


def image_file(root: Path, name: str) -> Path:
    """Returns where an image of a written set lies."""
    return next(path for path in root.rglob(name) if path.is_file())


def _write_image(path: Path, image: ImageArray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def _write_coco(root: Path, pictures: list[Picture], names: tuple[str, ...]) -> None:
    for split in ("train", "val"):
        images: list[dict[str, object]] = []
        annotations: list[dict[str, object]] = []
        for number, picture in enumerate(pictures):
            if picture.split != split:
                continue
            height, width = picture.image.shape[:2]
            _write_image(root / split / picture.name, picture.image)
            images.append(
                {"id": number, "file_name": picture.name, "width": width, "height": height}
            )
            for place, (left, top, right, bottom, class_id) in enumerate(picture.boxes, start=1):
                annotations.append(
                    {
                        "id": 100 * number + place,
                        "image_id": number,
                        "category_id": class_id,
                        "bbox": [left, top, right - left, bottom - top],
                    }
                )
        categories = [{"id": index, "name": name} for index, name in enumerate(names)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        path = root / "annotations" / f"{split}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))


def _write_yolo(root: Path, pictures: list[Picture], names: tuple[str, ...]) -> None:
    for picture in pictures:
        height, width = picture.image.shape[:2]
        _write_image(root / "images" / picture.split / picture.name, picture.image)
        lines = [
            f"{class_id} {(left + right) / 2 / width} {(top + bottom) / 2 / height} "
            f"{(right - left) / width} {(bottom - top) / height}\n"
            for left, top, right, bottom, class_id in picture.boxes
        ]
        labels = root / "labels" / picture.split / f"{Path(picture.name).stem}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text("".join(lines))
    listed = ", ".join(names)
    (root / "data.yaml").write_text(f"train: images/train\nval: images/val\nnames: [{listed}]\n")


def _write_voc(root: Path, pictures: list[Picture], names: tuple[str, ...]) -> None:
    lists: dict[str, list[str]] = {"train": [], "val": []}
    (root / "Annotations").mkdir(parents=True)
    for picture in pictures:
        height, width = picture.image.shape[:2]
        _write_image(root / "JPEGImages" / picture.name, picture.image)
        stem = Path(picture.name).stem
        lists[picture.split].append(stem)
        objects = "".join(
            f"<object><name>{_name(names, class_id)}</name><bndbox><xmin>{left + 1}</xmin>"
            f"<ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
            for left, top, right, bottom, class_id in picture.boxes
        )
        (root / "Annotations" / f"{stem}.xml").write_text(
            f"<annotation><filename>{picture.name}</filename><size><width>{width}</width>"
            f"<height>{height}</height></size>{objects}</annotation>"
        )
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for split, stems in lists.items():
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(stems) + "\n")
    (root / "labels.txt").write_text("\n".join(names) + "\n")


def _name(names: tuple[str, ...], class_id: int) -> str:
    return names[class_id] if class_id < len(names) else "stranger"
