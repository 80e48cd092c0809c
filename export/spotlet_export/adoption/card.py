"""The model card of an adopted package: its origin, how it was read, what was proven."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spotlet.manifest import Manifest
from spotlet.model.package import VARIANTS
from spotlet_export.card.contract import RESIZED, contract_section
from spotlet_export.card.markdown import code_span, fenced, section
from spotlet_export.card.measured import int8_section
from spotlet_export.card.use import use_section
from spotlet_export.gate.report import Report
from spotlet_export.gate.variants import END_TO_END
from spotlet_export.package.folder import PREVIEW_FILE
from spotlet_export.package.golden_search import GoldenFrames

NO_LICENCE = (
    "**Licence of the weights: not in the file.** Find it out before you pass the model on, and "
    "add it with `spotlet adopt --licence TEXT`."
)

UNCHANGED = (
    "Adopting does not change it: it binds everyone who passes this package on or serves it, as "
    "with the original file."
)


OTHER_FILES = (
    " The int8 file is compared with the original too; a file with suppression in its graph with "
    "the file that it was made from."
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AdoptedCard:
    """The content of an adopted package's card.

    Attributes:
        manifest: of the model; its `training` record has the origin.
        report: of the gate.
        file_bytes: size of each model file, by name.
        golden: the golden frames.
        quantisation: record of the int8 file; None without one.
        doubts: what looked wrong, if it was written all the same.
        notes: the author's Markdown.
    """

    manifest: Manifest
    report: Report
    file_bytes: Mapping[str, int]
    golden: GoldenFrames
    quantisation: Mapping[str, Any] | None = None
    doubts: tuple[str, ...] = ()
    notes: str = ""


def adopted_card(contents: AdoptedCard) -> str:
    """Returns the card as Markdown."""
    manifest = contents.manifest
    record = manifest.training
    height, width = manifest.input.size_hw
    rule = manifest.detection
    files = [f"{code_span(name)} {size / 1e6:.2f} MB" for name, size in contents.file_bytes.items()]
    head = [
        f"- Adopted from {code_span(record['adopted_from'])} (sha256 `{record['sha256']}`) by "
        f"{manifest.producer}: the graph was rewritten to Spotlet's contract; the network in it "
        "did not change",
        f"- Classes: {', '.join(code_span(name) for name in manifest.classes)}",
        f"- Input: {width}x{height} uint8 BGR, {RESIZED[manifest.input.resize]} "
        f"({manifest.input.interpolation}, border {manifest.input.pad_value})",
        f"- Score threshold {rule.score_threshold:g}, IoU threshold {rule.iou_threshold:g}",
        f"- {'Files' if len(files) > 1 else 'File'}: {', '.join(files)}",
    ]
    quantisation = contents.quantisation
    end_to_end = any(VARIANTS[name] in contents.file_bytes for name in END_TO_END.values())
    parts = [
        f"# {manifest.name}",
        "\n".join(head),
        *([_forced(contents.doubts)] if contents.doubts else []),
        section("Licence and origin", licence_text(record), *_origin(record)),
        *([contents.notes.strip()] if contents.notes.strip() else []),
        section("What it finds", f"![Detections on the image of the adoption]({PREVIEW_FILE})"),
        section("How it was read", fenced(signature_text(record["reading"]))),
        section(
            "The rewritten file finds the same objects",
            "The original file, run by onnxruntime and decoded by an independent program, against "
            "the rewritten file in the shipped runtime. This proves that the file was rewritten as "
            "the reading above says, not that the reading is right: look at the picture for that. "
            "Accuracy was not measured: `spotlet evaluate` measures it on your images."
            + OTHER_FILES
            * (len(files) > 1),
            fenced(contents.report.table()),
        ),
        *([] if quantisation is None else [int8_section(quantisation, contents.file_bytes)]),
        contract_section(manifest, end_to_end=end_to_end),
        use_section(
            manifest,
            len(contents.golden.frames),
            contents.golden.source,
            int8=quantisation is not None,
            end_to_end=end_to_end,
            proven=contents.golden.detections > 0,
        ),
    ]
    return "\n\n".join(parts) + "\n"


def licence_text(record: Mapping[str, Any]) -> str:
    """Returns what is known about the licence of the weights, in one line."""
    licence = record.get("licence")
    return f"**Licence of the weights: {licence}.** {UNCHANGED}" if licence else NO_LICENCE


def signature_text(signature: Mapping[str, Any]) -> str:
    """Returns a network's signature, one line for each value."""
    return "\n".join(
        f"{part}.{key} = {value}"
        for part, content in signature.items()
        for key, value in content.items()
    )


def _origin(record: Mapping[str, Any]) -> list[str]:
    """Returns what the exporter wrote into the file."""
    kept = record.get("metadata") or {}
    return [fenced("\n".join(f"{key}: {value}" for key, value in kept.items()))] if kept else []


def _forced(doubts: tuple[str, ...]) -> str:
    lines = [f"> - {text}" for text in doubts]
    return "\n".join(["> **Written because of --force.** What it finds looked wrong:", *lines])
