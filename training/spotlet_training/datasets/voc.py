"""Pascal VOC: one XML file an image, boxes as the indices of the first and last pixel, from 1.

So a box over a whole image of 640 x 480 is 1, 1, 640, 480; on the pixel grid's edges, as
spotlet counts, it is 0, 0, 640, 480. A box of equal first and last pixel is one pixel wide.

Source: Everingham and Winn, "The PASCAL Visual Object Classes Challenge 2012 Development Kit",
section 4.3.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spotlet.errors import DatasetError, SourceError
from spotlet.image_files import read_image_size
from spotlet_training.datasets.checks import (
    ROTATED_NOTE,
    Problems,
    box_around_rotated,
    clip_box,
    read_text,
)
from spotlet_training.datasets.labels import ImageLabels, LabelledSet, LabelRow
from spotlet_training.datasets.pictures_below import Places
from spotlet_training.datasets.voc_files import files_below, listed_files, other_files
from spotlet_training.datasets.voc_pictures import Pictures
from spotlet_training.datasets.voc_xml import Edges, Marked, read_object, read_side, read_xml

CLASS_FILES = ("labels.txt", "classes.txt")
"""A file of class names, one a line, that fixes their order."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """The content of an XML file, with its picture; None if there is none.

    Attributes:
        states_size: whether `size_hw` is from the file, not from the picture.
    """

    file: Path
    image: Path | None
    size_hw: tuple[int, int]
    states_size: bool
    objects: tuple[Marked, ...]


def is_voc(root: Path, *, anywhere: bool = False) -> bool:
    """Whether the folder holds a Pascal VOC set; `anywhere`: also in other tools' places."""
    return any(listed_files(root).values()) or (anywhere and any(other_files(root).values()))


def read_voc(root: Path) -> LabelledSet:
    """Returns the labels of a Pascal VOC set, and the problems in them.

    Classes are those of `labels.txt` or `classes.txt`; without one, the names in both splits
    in alphabetical order.

    Raises:
        DatasetError: a list of images or classes cannot be used.
    """
    problems, pictures, real = Problems(root), Pictures(root), Places()
    places = (listed_files, other_files, files_below)
    files = next((found for place in places if any((found := place(root)).values())), {})
    if "train" not in files:
        raise DatasetError(f"{root}: no VOC labels for a train split, only for val")
    classes = _listed_classes(root)
    splits: dict[str, list[Annotation]] = {}
    for split, paths in files.items():
        read = (_read_annotation(path, pictures, classes, problems) for path in paths)
        splits[split] = [one for one in read if one is not None]
        images = Counter(real.of(one.image) for one in splits[split] if one.image)
        for image in (image for image, count in images.items() if count > 1):
            problems.add(Path(image), f"duplicate image in {split}; keep one")
    everything = [one for part in splits.values() for one in part if one.image]
    names = classes or tuple(
        sorted({each.class_name for one in everything for each in one.objects})
    )
    shift, notes = counting_rule(everything)
    labels = {
        split: [labels for one in part if (labels := _labels(one, names, shift, problems))]
        for split, part in splits.items()
    }
    if unstated := sum(not one.states_size for one in everything):
        notes.append(f"XML files without a picture's size, which is read instead: {unstated}")
    if rotated := sum(each.degrees != 0 for one in everything for each in one.objects):
        notes.append(ROTATED_NOTE.format(rotated))
    return LabelledSet(names, labels["train"], labels.get("val"), notes, problems)


def counting_rule(annotations: Sequence[Annotation]) -> tuple[tuple[int, int], list[str]]:
    """Returns what to add to the first and the last edges of boxes, and a note if it is unusual.

    The kit counts pixels from 1, so no edge is 0. If more first edges are 0 than 1, the set counts
    from 0: the last edge is that of a pixel (at most the side less 1), or the end of the box.
    """
    zeros = ones = ends = 0
    for one in annotations:
        height, width = one.size_hw
        for each in one.objects:
            if not each.exact:
                left, top, right, bottom = each.edges
                zeros += (left == 0) + (top == 0)
                ones += (left == 1) + (top == 1)
                ends += (right == width) + (bottom == height)
    if zeros <= ones:
        return (-1, 0), []
    what = "the end of the box" if ends else "the last pixel"
    return (0, 0 if ends else 1), [
        f"boxes are read as counted from 0, not from 1 as in VOC, with {what} as their last edge: "
        f"{zeros} of their edges are 0"
    ]


def _listed_classes(root: Path) -> tuple[str, ...]:
    """Returns the class names in a file of them; none if there is no such file."""
    for path in (root / name for name in CLASS_FILES):
        if path.is_file():
            lines = (line.strip() for line in read_text(path).splitlines())
            names = tuple(line for line in lines if line)
            if len(set(names)) != len(names) or not names:
                raise DatasetError(f"{path}: must be class names, one a line, no duplicates")
            return names
    return ()


def _read_annotation(
    file: Path, pictures: Pictures, classes: tuple[str, ...], problems: Problems
) -> Annotation | None:
    """Returns the content of one XML file; None if it cannot be used."""
    try:
        tree = read_xml(file)
    except OSError as error:
        problems.add(file, f"cannot be read ({error.strerror})")
        return None
    except ValueError as error:
        problems.add(file, str(error))
        return None
    filename = tree.findtext("filename")
    image = None
    try:
        image = pictures.find(file, filename)
        if image is None:
            missing = filename or file.stem
            problems.add(file, f"no image {missing!r}; put it back, or remove this file")
    except ValueError as error:
        problems.add(file, str(error))
    try:
        size_hw = read_side(tree, "size/height"), read_side(tree, "size/width")
        states_size = 0 not in size_hw
        if not states_size:
            if image is None:
                return None
            size_hw = read_image_size(image)
    except (ValueError, SourceError) as error:
        problems.add(file, str(error))
        return None
    objects = []
    for number, element in enumerate(tree.iter("object"), start=1):
        try:
            marked = read_object(element, number)
            if classes and marked.class_name not in classes:
                remedy = "correct it, or add it to the list of classes"
                raise ValueError(f"unknown class {marked.class_name!r}; {remedy}")
            objects.append(marked)
        except ValueError as error:
            problems.add(file, f"object {number}: {error}")
    return Annotation(file, image, size_hw, states_size, tuple(objects))


def _labels(
    annotation: Annotation, names: tuple[str, ...], shift: tuple[int, int], problems: Problems
) -> ImageLabels | None:
    """Returns the labels of one image, on the pixel grid's edges; None without the image."""
    size_wh = annotation.size_hw[1], annotation.size_hw[0]
    rows = []
    for each in annotation.objects:
        first, last = (0, 0) if each.exact else shift
        left, top, right, bottom = each.edges
        edges: Edges = (left + first, top + first, right + last, bottom + last)
        try:
            if each.degrees:
                edges = box_around_rotated(edges, each.degrees, size_wh)
            box = clip_box(edges, size_wh)
        except ValueError as error:
            problems.add(annotation.file, f"object {each.number}: {error}")
            continue
        if annotation.image is not None:  # without it, the classes don't count either
            class_id = names.index(each.class_name)
            rows.append(LabelRow(box, class_id, each.difficult, each.number))
    if annotation.image is None:
        return None
    return ImageLabels.from_rows(annotation.image, rows, annotation.file, annotation.size_hw)
