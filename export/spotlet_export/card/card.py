"""The model card of an export: what a user must know about a package."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spotlet.manifest import Manifest
from spotlet.model.package import VARIANTS
from spotlet_export.card.accuracy import accuracy_section
from spotlet_export.card.contract import contract_section
from spotlet_export.card.markdown import code_span, section
from spotlet_export.card.measured import int8_section, parity_section
from spotlet_export.card.use import use_section
from spotlet_export.gate.report import Report
from spotlet_export.gate.variants import END_TO_END
from spotlet_training.evaluation.evaluation import Evaluation
from spotlet_training.evaluation.operating_point import THRESHOLD_KEY

NO_NOTES = """Sources and licence of the training data: not given. Add them with `spotlet export
--notes FILE` before you pass the model on."""

NOTES_TITLE = "What it is for, and where its data is from"
"""Heading of the author's notes if they have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardContents:
    """The content of a card.

    Attributes:
        manifest: of the model.
        report: of the gate, with the rows of every file.
        file_bytes: size of each model file, by name.
        evaluations: on the validation images, with the runtime, by name of the model file;
            empty without labelled data.
        quantisation: record of the int8 file, see `int8_section`; None without one.
        data_name: of the set that the validation images are from; None if it has no name.
        golden_frames: how many are in the package.
        golden_source: a key of `use.GOLDEN_SOURCES`.
        golden_detections: that a check compares; 0 proves nothing about detections.
        notes: the author's Markdown about purpose, data, licence, failures; may be empty.
    """

    manifest: Manifest
    report: Report
    file_bytes: Mapping[str, int]
    evaluations: Mapping[str, Evaluation] = field(default_factory=dict)
    quantisation: Mapping[str, Any] | None = None
    data_name: str | None = None
    golden_frames: int = 0
    golden_source: str = "data"
    golden_detections: int = 0
    notes: str = ""


def model_card(contents: CardContents) -> str:
    """Returns the card as Markdown: what was measured, the author's notes, how to use it."""
    manifest, quantisation = contents.manifest, contents.quantisation
    threshold = manifest.detection.score_threshold
    parts = [
        f"# {manifest.name}",
        "\n".join(_facts(contents)),
        accuracy_section(contents.evaluations, threshold, contents.data_name),
        _notes(contents.notes),
        parity_section(contents.report),
        *([] if quantisation is None else [int8_section(quantisation, contents.file_bytes)]),
        contract_section(manifest, end_to_end=_has_end_to_end(contents)),
        use_section(
            manifest,
            contents.golden_frames,
            contents.golden_source,
            int8=quantisation is not None,
            end_to_end=_has_end_to_end(contents),
            proven=contents.golden_detections > 0,
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _facts(contents: CardContents) -> list[str]:
    """Returns the lines at the top of the card."""
    manifest = contents.manifest
    height, width = manifest.input.size_hw
    files = [f"{code_span(name)} {size / 1e6:.2f} MB" for name, size in contents.file_bytes.items()]
    return [
        f"- Classes: {', '.join(code_span(name) for name in manifest.classes)}",
        f"- Input: {width}x{height} uint8 BGR, letterboxed "
        f"({manifest.input.interpolation}, border {manifest.input.pad_value})",
        f"- {'Files' if len(files) > 1 else 'File'}: {', '.join(files)}, written by "
        f"{manifest.producer}",
        *_training_facts(manifest),
    ]


def _training_facts(manifest: Manifest) -> list[str]:
    """Returns what the training recorded about itself."""
    training = manifest.training
    facts = []
    if "train_images" in training:
        chosen = "val_ap" in training  # else the last epoch's weights were kept
        facts.append(
            f"- Trained on {training['train_images']} images"
            f"{' of ' + code_span(training['data']) if training.get('data') else ''}, "
            + (f"epoch {training['epoch']} of " if chosen else "")
            + f"{training['settings']['epochs']} {'kept' if chosen else 'epochs'}"
        )
    if "val_ap" in training:
        facts.append(
            f"- Validation ({training['val_images']} images, which also chose the epoch): "
            f"AP50 {training['val_ap50']:.3f}, AP {training['val_ap']:.3f}"
        )
    if training.get(THRESHOLD_KEY) is not None:
        facts.append(
            f"- Default score threshold: {manifest.detection.score_threshold:.2f}, the best (F1) "
            "on those validation images"
        )
    if "val_iou" in training:
        facts.append(
            f"- One object per image. Validation ({training['val_images']} images): accuracy "
            f"{training['val_accuracy']:.3f}, mean IoU {training['val_iou']:.3f}"
        )
    return facts


def _notes(notes: str) -> str:
    """Returns the author's notes, or that there are none, with a heading."""
    text = notes.strip() or NO_NOTES
    return text if text.startswith("#") else section(NOTES_TITLE, text)


def _has_end_to_end(contents: CardContents) -> bool:
    return any(VARIANTS[name] in contents.file_bytes for name in END_TO_END.values())
