"""What `spotlet data convert` writes, as the programs of others read it."""

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled_sets import Picture, clean_pictures, scenery, write_set

from spotlet_training.converting import convert_set

NAMES = ("bolt", "nut")
TOLERANCE_PIXELS = 0.01

Boxes = dict[tuple[str, str], list[tuple[str, list[float]]]]
"""By split and a picture's stem: class name and edges."""


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    """Pictures with boxes on the edges and between pixels, and one without."""
    pictures = clean_pictures()
    pictures[0].boxes = [(0, 0, 128, 96, 1), (1.25, 2.5, 30.75, 40, 0)]
    return [*pictures, Picture("empty.png", "train", scenery(99))]


def wanted(pictures: list[Picture], shift: float = 0) -> Boxes:
    return {
        (one.split, Path(one.name).stem): [
            (NAMES[each[4]], [each[0] + shift, each[1] + shift, each[2], each[3]])
            for each in one.boxes
        ]
        for one in pictures
    }


def check(found: Boxes, expected: Boxes) -> None:
    assert found.keys() == expected.keys()
    for key, objects in expected.items():
        assert sorted(name for name, _ in found[key]) == sorted(name for name, _ in objects)
        for (_, box), (_, other) in zip(sorted(found[key]), sorted(objects), strict=True):
            np.testing.assert_allclose(box, other, atol=TOLERANCE_PIXELS)


def test_the_coco_tools_read_the_coco_file(tmp_path: Path, pictures: list[Picture]) -> None:
    module = pytest.importorskip("faster_coco_eval", reason="faster-coco-eval is not installed")
    convert_set(write_set(tmp_path / "set", "voc", pictures), tmp_path / "out", "coco")
    found: Boxes = {}
    for split in ("train", "val"):
        tools = module.COCO(str(tmp_path / "out" / "annotations" / f"instances_{split}.json"))
        for image in tools.loadImgs(tools.getImgIds()):
            objects = found[split, Path(image["file_name"]).stem] = []
            for row in tools.loadAnns(tools.getAnnIds(imgIds=[image["id"]])):
                (category,) = tools.loadCats([row["category_id"]])
                left, top, width, height = row["bbox"]
                objects.append((category["name"], [left, top, left + width, top + height]))
    check(found, wanted(pictures))


@pytest.mark.parametrize(("to", "shift"), [("coco", 0), ("yolo", 0), ("voc", 1)])
def test_datumaro_reads_every_format(
    to: str, shift: int, tmp_path: Path, pictures: list[Picture]
) -> None:
    """It takes VOC's first pixels, counted from 1, for edges, so that boxes shrink by one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        datumaro: Any = pytest.importorskip("datumaro", reason="datumaro is not installed")
        convert_set(write_set(tmp_path / "set", "coco", pictures), tmp_path / "out", to)
        read = datumaro.Dataset.import_from(str(tmp_path / "out"), to)
        names = [label.name for label in read.categories()[datumaro.AnnotationType.label]]
        found: Boxes = {}
        for item in read:
            assert item.media.size == (96, 128)
            boxes = [each for each in item.annotations if isinstance(each, datumaro.Bbox)]
            found[item.subset, Path(item.id).name] = [
                (names[each.label], [each.x, each.y, each.x + each.w, each.y + each.h])
                for each in boxes
            ]
    check(found, wanted(pictures, shift))


@pytest.mark.parametrize("to", ["coco", "yolo"])
def test_label_studio_makes_tasks_with_the_boxes_in_place(
    to: str, tmp_path: Path, pictures: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = f"label_studio_sdk.converter.imports.{to}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module: Any = pytest.importorskip(where, reason="label-studio-sdk is not installed")
    monkeypatch.setattr(logging.getLogger(), "disabled", True)
    root, tasks = write_set(tmp_path / "set", "coco", pictures), tmp_path / "tasks.json"
    (root / "annotations" / "val.json").unlink()
    convert_set(root, tmp_path / "out", to)
    address = "http://localhost/pictures"
    if to == "coco":
        labels = tmp_path / "out" / "annotations" / "instances_default.json"
        module.convert_coco_to_ls(str(labels), str(tasks), image_root_url=address)
    else:
        module.convert_yolo_to_ls(str(tmp_path / "out"), str(tasks), image_root_url=address)
    found: Boxes = {}
    for task in json.loads(tasks.read_text()):
        objects = found["train", Path(task["data"]["image"]).stem] = []
        for row in task["annotations"][0]["result"]:
            assert (row["original_width"], row["original_height"]) == (128, 96)
            x, y, width, height = (row["value"][key] for key in ("x", "y", "width", "height"))
            edges = np.array([x, y, x + width, y + height]) * [1.28, 0.96, 1.28, 0.96]
            objects.append((row["value"]["rectanglelabels"][0], edges.tolist()))
    check(found, wanted([one for one in pictures if one.split == "train"]))
    assert 'value="bolt"' in (tmp_path / "tasks.label_config.xml").read_text()
