"""Compares the manifest with the training's rules, stated here a second time.

Every other comparison trusts the manifest: a wrong pad value in it would be wrong on both sides.
"""

from typing import Any

from spotlet.manifest import Manifest
from spotlet_export.gate.report import Row
from spotlet_training.evaluation.operating_point import THRESHOLD_KEY
from spotlet_training.network import Localizer
from spotlet_training.network.checkpoint import Checkpoint


def compare_rules(checkpoint: Checkpoint, manifest: Manifest, variant: str) -> Row:
    """Returns the row for a file's manifest against its checkpoint.

    Args:
        checkpoint: what was trained.
        manifest: read back from the exported file.
        variant: the file's name, for the report.
    """
    expected, said = expected_rules(checkpoint), said_rules(manifest)
    wrong = [name for name, value in expected.items() if said[name] != value]
    return Row(
        variant=variant,
        name="manifest, rules that differ from the training",
        over=f"{len(expected)} rules" + (f"; {', '.join(wrong)}" if wrong else ""),
        measured=len(wrong),
        limit=0,
    )


def expected_rules(checkpoint: Checkpoint) -> dict[str, Any]:
    """Returns the rules that a checkpoint's manifest must have."""
    threshold = checkpoint.training.get(THRESHOLD_KEY)
    recorded = checkpoint.training.get("settings", {}).get("tiles")
    if recorded and recorded["layout"] == "off":
        recorded = None
    return {
        "classes": checkpoint.class_names,
        "canvas": tuple(checkpoint.network.settings.size_hw),
        "colour order": "BGR",
        "resize": "letterbox",
        "interpolation": "linear_exact",
        "pad value": 114,
        "box encoding": "xyxy_unit",
        "score activation": checkpoint.network.score_activation,
        "score threshold": 0.4 if threshold is None else threshold,
        "NMS overlap": 0.6,
        "most detections": 1 if isinstance(checkpoint.network, Localizer) else 300,
        "classes of a cell": "best",
        "tiles": (recorded["layout"], recorded["overlap"]) if recorded else None,
    }


def said_rules(manifest: Manifest) -> dict[str, Any]:
    """Returns the rules of a manifest, by the same names."""
    return {
        "classes": manifest.classes,
        "canvas": manifest.input.size_hw,
        "colour order": manifest.input.colour_order,
        "resize": manifest.input.resize,
        "interpolation": manifest.input.interpolation,
        "pad value": manifest.input.pad_value,
        "box encoding": manifest.output.box_encoding,
        "score activation": manifest.output.score_activation,
        "score threshold": manifest.detection.score_threshold,
        "NMS overlap": manifest.detection.iou_threshold,
        "most detections": manifest.detection.max_detections,
        "classes of a cell": "every" if manifest.detection.every_class else "best",
        "tiles": (manifest.tiles.layout, manifest.tiles.overlap) if manifest.tiles else None,
    }
