"""Findings that need the images decoded."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from spotlet_training.datasets import ImageLabels
from spotlet_training.datasets.findings import Finding
from spotlet_training.datasets.labels import size_fault
from spotlet_training.inspection.image_bytes import SIDEWAYS, UPRIGHT
from spotlet_training.inspection.pictures import Picture


def picture_findings(
    labels: Sequence[ImageLabels], pictures: Mapping[Path, Picture]
) -> list[Finding]:
    """Returns the images that cannot be decoded, or are not the labelled ones.

    Args:
        labels: of the images of both splits.
        pictures: the content of each of their files.
    """
    findings = []
    for path, one in {one.path: one for one in labels}.items():
        picture = pictures[path]
        if picture.fault:
            findings.append(Finding("error", "image", picture.fault, path))
        elif one.size_hw is not None and (fault := size_fault(picture.size_hw, one.size_hw)):
            findings.append(Finding("error", "size", fault, path))
        elif turned_unseen(one, picture):
            message = (
                f"its EXIF orientation ({picture.orientation}) turns it; the labels must fit the "
                "turned image: compare them on the contact sheet"
            )
            findings.append(Finding("note", "turned", message, path))
    return findings


def turned_unseen(labels: ImageLabels, picture: Picture) -> bool:
    """Whether EXIF turns a picture in a way that its labels' declared size does not confirm."""
    if picture.orientation == UPRIGHT or not len(labels.class_ids):
        return False
    height, width = picture.size_hw
    confirmed = labels.size_hw is not None and height != width
    return not (confirmed and picture.orientation in SIDEWAYS)
