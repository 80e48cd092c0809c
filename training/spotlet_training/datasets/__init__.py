"""Labelled sets of images in COCO JSON, YOLO txt or Pascal VOC, recognised by their files."""

from spotlet_training.datasets.labels import ImageLabels, LabelledImages
from spotlet_training.datasets.sample import Dataset, Sample
from spotlet_training.datasets.splits import Splits, open_dataset, open_sets, open_splits

__all__ = [
    "Dataset",
    "ImageLabels",
    "LabelledImages",
    "Sample",
    "Splits",
    "open_dataset",
    "open_sets",
    "open_splits",
]
