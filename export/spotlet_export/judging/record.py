"""The folder of a proof."""

import json
import math
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import onnxruntime as ort

from spotlet.atomic import atomic_folder
from spotlet.image_files import write_image
from spotlet.model.processor import cpu_name
from spotlet_export.gate.frames import CheckFrame
from spotlet_export.gate.report import Row
from spotlet_export.gate.variants import Limits
from spotlet_export.judging.page import proof_page
from spotlet_export.judging.proof import Proof
from spotlet_export.judging.sides import Side

JSON_FILE, PAGE_FILE = "proof.json", "proof.html"

PROOF_SCHEMA = 1


def write_proof(
    proof: Proof,
    sides: tuple[Side, Side],
    limits: Limits,
    precision: str,
    score_threshold: float,
    frames: Sequence[CheckFrame],
    out: Path,
) -> None:
    """Writes the folder, atomically."""
    sizes = {frame.image_bgr.shape[:2] for frame in frames}
    facts = {
        "precision": precision,
        "compared from a score of": f"{score_threshold:g}",
        "pictures": f"{len(frames)} of {len(sizes)} sizes",
        "not compared": "; ".join(proof.notes) or "nothing",
        "spotlet": version("spotlet"),
        "onnxruntime": ort.__version__,
        "OpenCV": cv2.__version__,
        "processor": cpu_name() or platform.machine(),
    }
    explanation = proof.explanation
    record = {
        "schema": PROOF_SCHEMA,
        "same": proof.report.passed,
        "text": proof.text,
        "culprits": [] if explanation is None else [each.culprit for each in explanation.causes],
        "sides": [
            {
                "given": side.title,
                "kind": side.kind,
                "classes": list(side.classes),
                "precision": side.precision,
                **side.facts,
            }
            for side in sides
        ],
        "limits": {name: value for name, value in asdict(limits).items() if name != "golden"},
        "rows": [_json_row(row) for row in proof.report.rows],
        "explanation": None if explanation is None else asdict(explanation),
        "worst": [
            {
                "frame": each.name,
                "unlikeness": each.unlikeness,
                "found": list(each.counts),
                "picture": f"worst-{number}.png",
            }
            for number, each in enumerate(proof.pictures, 1)
        ],
        "facts": facts,
    }
    with atomic_folder(out, marker=JSON_FILE) as folder:
        for number, each in enumerate(proof.pictures, 1):
            write_image(folder / f"worst-{number}.png", each.drawn)
        page = proof_page(
            proof.titles, proof.report, proof.text, explanation, proof.pictures, list(facts.items())
        )
        (folder / PAGE_FILE).write_text(page, encoding="utf-8", errors="backslashreplace")
        text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
        (folder / JSON_FILE).write_text(text + "\n", encoding="utf-8")


def _json_row(row: Row) -> dict[str, Any]:
    """Returns a row as JSON, which has no infinity: null is a figure that cannot be measured."""
    values = {name: value for name, value in asdict(row).items() if name != "variant"}
    measured = row.measured if math.isfinite(row.measured) else None
    return values | {"measured": measured, "passed": row.passed}
