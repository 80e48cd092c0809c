"""Boxes of a Spotlet model for a task in CVAT; see README.md."""

from dataclasses import replace

import cvat_sdk.auto_annotation as cvataa
import cvat_sdk.models as models
import numpy as np
from PIL import Image, ImageOps

from spotlet import Detector


class SpotletFunction:
    """A detection function as `cvat-cli` and CVAT's agents call it."""

    def __init__(self, detector: Detector) -> None:
        """Offers the classes of a detector as labels."""
        self._detector = detector
        names = enumerate(detector.class_names)
        labels = [cvataa.label_spec(name, index, type="rectangle") for index, name in names]
        self.spec = cvataa.DetectionFunctionSpec(labels=labels)

    def detect(
        self, context: cvataa.DetectionFunctionContext, image: Image.Image
    ) -> list[models.LabeledShapeRequest]:
        """Returns the boxes in a picture, in pixels of the upright one, as CVAT shows it."""
        rule = self._detector.rule
        if context.conf_threshold is not None:
            rule = replace(rule, score_threshold=context.conf_threshold)
        frame_rgb = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        frame_bgr = np.ascontiguousarray(frame_rgb[:, :, ::-1])
        found = self._detector.found_in(self._detector.part_outputs(frame_bgr), rule)
        return [
            cvataa.rectangle(one.class_id, list(one.box_xyxy), score=round(one.score, 4))
            for one in found
        ]


def create(model: str = "garments", variant: str | None = None) -> SpotletFunction:
    """Loads a bundled model, a package folder or an `.onnx` file, once for the whole task."""
    return SpotletFunction(Detector(model, variant=variant))
