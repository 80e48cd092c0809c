"""What known exporters' networks expect, as far as a file's metadata says which network it is.

Measured: each exporter was run as its users run it, its preprocessing was given pictures of one
colour, and its networks' outputs were looked at.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from spotlet_export.adoption.metadata import literal
from spotlet_export.adoption.recognition.family import BYTE
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.trials.alternatives import (
    CAFFE_MEAN,
    IMAGENET_MEAN,
    IMAGENET_STD,
    RANGE,
)
from spotlet_export.adoption.trials.option_line import option_line

Said = dict[str, Any]
"""Fields of `AdoptSettings`."""

UNIT: Said = {"colour": "RGB", "scale": BYTE}
IMAGENET: Said = {**UNIT, "mean": IMAGENET_MEAN, "std": IMAGENET_STD}
STRETCHED: Said = {"resize": "stretch"}
CORNER: Said = {"resize": "letterbox_corner"}
CORNERS: Said = {"box_format": "xyxy", "box_unit": "pixels"}
CENTRES: Said = {"box_format": "cxcywh", "box_unit": "unit"}

LIBREYOLO: dict[str, Said] = {
    "yolo1": UNIT | STRETCHED,
    "yolo2": UNIT | CORNER | {"pad_value": 128},
    "yolo3": UNIT | CORNER | {"pad_value": 128},
    "yolo4": UNIT | CORNER | {"pad_value": 128},
    "yolo7": UNIT | CORNER,
    "yolo9": UNIT | CORNER | CORNERS,
    "yolonas": UNIT | CORNERS | {"resize": "letterbox"},
    "yolox": CORNER | {"colour": "BGR", "scale": 1.0},
    "rtmdet": CORNER
    | CORNERS
    | {
        "colour": "BGR",
        "scale": 1.0,
        "mean": (103.53, 116.28, 123.675),
        "std": (57.375, 57.12, 58.395),
    },
    "picodet": IMAGENET | STRETCHED | CORNERS,
    "ppyoloe": IMAGENET | STRETCHED | CORNERS,
    "efficientdet": IMAGENET | CORNER | {"pad_value": 116},
    "ssd": STRETCHED | {"colour": "RGB", "scale": 1.0, "mean": CAFFE_MEAN},
    "detr": IMAGENET | STRETCHED | CENTRES | {"activation": "softmax", "background": "last"},
    "dfine": UNIT | STRETCHED | CENTRES | {"activation": "sigmoid"},
    "deim": UNIT | STRETCHED | CENTRES | {"activation": "sigmoid"},
    "deimv2": UNIT | STRETCHED | CENTRES | {"activation": "sigmoid"},
    **dict.fromkeys(("rtdetr", "rtdetrv2", "rtdetrv4"), UNIT | STRETCHED),
    **dict.fromkeys(
        ("rfdetr", "lwdetr", "deformable_detr", "dinodetr", "ec"), IMAGENET | STRETCHED
    ),
}
"""By `model_family` of LibreYOLO 1.6.0."""

DINO_SIZES = ("s", "m", "l", "x")
"""Sizes of `deimv2` with a backbone that expects ImageNet's range."""


def with_exporter(
    settings: AdoptSettings, metadata: Mapping[str, str], on_remark: Callable[[str], None]
) -> AdoptSettings:
    """Returns the settings, with what the file's exporter expects where the user said nothing.

    Args:
        settings: what the user said.
        metadata: of the file, by key.
        on_remark: called with what was added.
    """
    who, expected = expected_by(metadata)
    if any(getattr(settings, name) is not None for name in RANGE):
        expected = {name: value for name, value in expected.items() if name not in RANGE}
    added = {name: value for name, value in expected.items() if getattr(settings, name) is None}
    if not added:
        return settings
    on_remark(f"the file's metadata says {who}: {option_line(added)}")
    return replace(settings, **added)


def expected_by(metadata: Mapping[str, str]) -> tuple[str, Said]:
    """Returns which network a file says it is, and the settings that it needs; empty if unknown."""
    if metadata.get("author") == "Ultralytics":
        head, description = metadata.get("head", ""), metadata.get("description", "")
        if head.startswith("RTDETR") or "rtdetr" in description.lower():
            return "RT-DETR of Ultralytics", UNIT | STRETCHED | CENTRES
    family = metadata.get("model_family", "")
    if "libreyolo_version" in metadata and family in LIBREYOLO:
        expected = LIBREYOLO[family]
        if family == "deimv2" and metadata.get("size") in DINO_SIZES:
            expected = expected | IMAGENET
        if metadata.get("letterbox_pad") == "center":
            expected = expected | {"resize": "letterbox"}
        return f"{family} of LibreYOLO", expected
    return "the range of its pixels", _normalisation(metadata)


def knows_pixels(metadata: Mapping[str, str], layout: str) -> bool:
    """Returns whether a file says that its exporter's pixels are the default of its layout.

    Args:
        metadata: of the file, by key.
        layout: of its outputs.
    """
    yolov5 = layout == "K,5+C" and {"stride", "names"} <= metadata.keys()
    return metadata.get("author") == "Ultralytics" or yolov5


def _normalisation(metadata: Mapping[str, str]) -> Said:
    """Returns mean and std of pixels in [0, 1], as `norm_mean` and `norm_std` say them."""
    mean, std = (literal(metadata.get(key, "")) for key in ("norm_mean", "norm_std"))
    for values in (mean, std):
        if not isinstance(values, list | tuple) or len(values) != 3:
            return {}
        if not all(type(each) in (int, float) for each in values):
            return {}
    if not all(std):
        return {}
    return {"scale": BYTE, "mean": tuple(map(float, mean)), "std": tuple(map(float, std))}
