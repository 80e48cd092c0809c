"""Writes Pascal VOC: one XML file a picture, boxes as the first and last pixel, from 1.

Source: Everingham and Winn, "The PASCAL Visual Object Classes Challenge 2012 Development Kit",
section 4.3.
"""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from spotlet.coco_labels import CocoPicture
from spotlet.errors import DatasetError
from spotlet_training.converting.splits import SplitPictures, every, named, suggestion_notes

PICTURES = "JPEGImages"


def picture_folder(split: str, is_divided: bool) -> Path:
    """Returns where the pictures of a split go: all into one folder."""
    return Path(PICTURES)


def write_labels(folder: Path, class_names: tuple[str, ...], pictures: SplitPictures) -> list[str]:
    """Writes an XML file a picture and the lists; returns what the format cannot hold.

    `labels.txt` has the classes in their order, which VOC has no place for; `labelmap.txt` has
    them for CVAT and Datumaro.

    Raises:
        DatasetError: two class names differ only in spaces around them, which XML files lose.
    """
    stripped = [name.strip() for name in class_names]
    if "" in stripped or len({*stripped}) < len(stripped):
        raise DatasetError(
            "class names that differ only in spaces around them cannot be told apart in VOC; "
            "rename them"
        )
    lists = folder / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (folder / "Annotations").mkdir()
    for split, part in pictures.items():
        stems = [Path(picture.file_name).stem for picture in part]
        (lists / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems), "utf-8")
        for stem, picture in zip(stems, part, strict=True):
            tree = ElementTree.ElementTree(_annotation(picture, stripped))
            ElementTree.indent(tree)
            tree.write(folder / "Annotations" / f"{stem}.xml", "utf-8", xml_declaration=True)
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in stripped), "utf-8")
    mapped = [name for name in stripped if ":" not in name and not name.startswith("#")]
    text = "# label:color_rgb:parts:actions\n" + "".join(f"{name}:::\n" for name in mapped)
    (folder / "labelmap.txt").write_text(text, "utf-8")
    return [*_notes(class_names, mapped, pictures), *suggestion_notes(pictures)]


def _annotation(picture: CocoPicture, class_names: list[str]) -> ElementTree.Element:
    root = ElementTree.Element("annotation")
    height, width = picture.size_hw
    _add(root, folder=PICTURES, filename=picture.file_name)
    _add(ElementTree.SubElement(root, "size"), width=width, height=height, depth=3)
    _add(root, segmented=0)
    for box, class_id, ignored in zip(
        picture.boxes_xyxy.tolist(), picture.class_ids.tolist(), picture.ignored, strict=True
    ):
        left, top, right, bottom = box
        element = ElementTree.SubElement(root, "object")
        _add(element, name=class_names[class_id], pose="Unspecified", truncated=0)
        _add(element, difficult=int(ignored))
        corners = {"xmin": left + 1, "ymin": top + 1, "xmax": right, "ymax": bottom}
        _add(ElementTree.SubElement(element, "bndbox"), **{k: _text(v) for k, v in corners.items()})
    return root


def _add(parent: ElementTree.Element, **values: str | int) -> None:
    for key, value in values.items():
        ElementTree.SubElement(parent, key).text = str(value)


def _text(edge: float) -> str:
    """Returns an edge as text: without decimals if it is whole, as some readers need it."""
    return str(int(edge)) if edge.is_integer() else repr(edge)


def _notes(class_names: tuple[str, ...], mapped: list[str], pictures: SplitPictures) -> list[str]:
    whole = [one for one in every(pictures) if one.unknown_ids]
    unknown = sorted({each for one in whole for each in one.unknown_ids})
    broken = sum(
        int((each != np.rint(each)).any(1).sum())
        for each in (one.boxes_xyxy for one in every(pictures))
    )
    padded = sum(name != name.strip() for name in class_names)
    listed = named(class_names, unknown)
    unmapped = len(class_names) - len(mapped)
    kinds = (
        (unknown, f"VOC cannot say which classes are labelled incompletely ({listed}; pictures: "
         f"{len(whole)}): name the others with --exhaustive, or convert to COCO"),
        (broken, f"boxes with edges between pixels: {broken}; they are written with decimals, and "
         "some programs read whole numbers only"),
        (padded, f"class names that lose the spaces around them: {padded}"),
        (unmapped, f"class names with `:` or a leading `#`: {unmapped}; labelmap.txt, which CVAT "
         "reads, cannot hold them"),
    )  # fmt: skip
    return [line for count, line in kinds if count]
