"""`spotlet info`: a model's manifest."""

import argparse
import json
import textwrap
from pathlib import Path

from spotlet.commands.options import add_model_arguments, add_provider_argument
from spotlet.detector import Detector
from spotlet.manifest import Manifest
from spotlet.model.package import VARIANTS, variants_of
from spotlet.session import SessionSettings
from spotlet.text.terminal import table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_model_arguments(parser)
    add_provider_argument(parser)
    parser.add_argument("--json", action="store_true", help="the whole manifest as JSON")


def run(args: argparse.Namespace) -> int:
    """Prints the manifest."""
    settings = SessionSettings(provider=args.provider or "CPU")
    session = Detector(args.model, variant=args.variant, session=settings).session
    manifest = session.manifest
    if args.json:
        print(json.dumps(json.loads(manifest.to_json()), indent=2, ensure_ascii=False))
        return 0
    height, width = manifest.input.size_hw
    rule, tiles = manifest.detection, manifest.tiles
    rows = [
        ("model", manifest.name),
        ("file", f"{session.path} ({_megabytes(session.path)})"),
        ("SHA-256", session.sha256),
        *_variants(session.path),
        ("produced by", manifest.producer),
        (
            "input",
            f"{manifest.input.name!r}: {width} x {height}, {manifest.input.colour_order}, "
            f"{manifest.input.resize} ({manifest.input.interpolation}, "
            f"grey {manifest.input.pad_value})",
        ),
        ("outputs", _outputs(manifest)),
        (
            "detection",
            f"score from {rule.score_threshold}, NMS at IoU {rule.iou_threshold}, "
            f"at most {rule.max_detections} a frame",
        ),
        ("tiles", f"{tiles.layout}, overlap {tiles.overlap:g}" if tiles else "off"),
        *((f"training {key}", _short(value)) for key, value in manifest.training.items()),
        *((f"parity {key}", _short(value)) for key, value in manifest.parity.items()),
    ]
    if args.provider is not None:
        rows.append(("provider", session.provider_use.text))
    print(table(rows))
    print(f"{len(manifest.classes)} classes:")
    print(textwrap.fill(", ".join(manifest.classes), initial_indent="  ", subsequent_indent="  "))
    return 0


def _outputs(manifest: Manifest) -> str:
    output = manifest.output
    cells = (
        f"{output.boxes!r} ({output.box_encoding}), {output.scores!r} ({output.score_activation})"
    )
    if output.form == "cells":
        return f"of every cell: {cells}"
    return f"suppressed in the graph: {cells}, {output.class_ids!r}, {output.count!r}"


def _variants(path: Path) -> list[tuple[str, str]]:
    """Returns the row of a package's model files; none for a file outside a package."""
    if path.name not in VARIANTS.values():
        return []
    found = variants_of(path.parent).items()
    texts = (f"{name} {file.name} ({_megabytes(file)})" for name, file in found)
    return [("variants", ", ".join(texts))]


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.2f} MB"


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return textwrap.shorten(text, 100, placeholder=" …")
