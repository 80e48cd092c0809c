"""How an original is read, checked on the user's images, and another reading where it fails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spotlet.errors import GateError
from spotlet.letterbox import ImageArray
from spotlet.manifest import Manifest
from spotlet_export.adoption.exporters import knows_pixels, with_exporter
from spotlet_export.adoption.listener import Listener
from spotlet_export.adoption.manifest import make_manifest, remarks
from spotlet_export.adoption.original.decoder import OriginalDecoder
from spotlet_export.adoption.original.file import OriginalFile
from spotlet_export.adoption.plausibility import doubts
from spotlet_export.adoption.preview import draw_preview
from spotlet_export.adoption.recognition.network import recognise
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.trials.budget import Budget
from spotlet_export.adoption.trials.pixels_check import CHECK_SECONDS, check_pixels
from spotlet_export.adoption.trials.proposal import Proposal, propose
from spotlet_export.adoption.variants import require_possible
from spotlet_export.gate.witness import witness_canvas

TRIED = ("activation", "box_format", "box_unit")
"""Options in doubts that the trials vary."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckedReading:
    """How an original is read, and what looks wrong with it.

    Attributes:
        decoder: of the original, with its signature.
        manifest: of the model.
        wrong: doubts about what it finds on the images, which another reading may answer.
        unclear: doubts about what its outputs or its pixels mean, which only the user can answer.
        proposal: pixels that are clearly better; None if there are none.
    """

    decoder: OriginalDecoder
    manifest: Manifest
    wrong: tuple[str, ...]
    unclear: tuple[str, ...]
    proposal: Proposal | None = None


def read(
    original: OriginalFile,
    photographs: Sequence[ImageArray],
    settings: AdoptSettings,
    package: Path,
    listener: Listener,
) -> CheckedReading:
    """Returns how an original is read, checked on the user's images.

    Raises:
        GateError: its outputs do not fit any layout.
        UsageError: an option is missing or contradicts the file, or a file that was asked for
            cannot be made of it.
    """
    settings = with_exporter(settings, original.metadata, listener.on_remark)
    reading = recognise(original, photographs, settings, listener.on_remark)
    signature = reading.signature
    manifest = make_manifest(
        original, reading.classes, signature, reading.resize, settings, package
    )
    for remark in remarks(manifest, signature):
        listener.on_remark(remark)
    require_possible(original.model.graph, signature, manifest.classes, settings)
    decoder = OriginalDecoder(original.session, signature)
    found = [decoder.uncut(witness_canvas(image, manifest)) for image in photographs]
    checked = CheckedReading(
        decoder=decoder,
        manifest=manifest,
        wrong=tuple(doubts(found, signature, manifest)) or reading.wrong,
        unclear=tuple(reading.doubts),
    )
    output = signature.output
    decoded = not output.strides and knows_pixels(original.metadata, output.layout)
    if checked.wrong or checked.unclear or reading.family or decoded:
        return checked
    budget = Budget(listener.on_step, seconds=CHECK_SECONDS)
    check = check_pixels(decoder, manifest, photographs, settings, budget)
    if check.remark:
        listener.on_remark(check.remark)
    return replace(
        checked,
        wrong=() if check.proposal is None else check.proposal.doubts,
        unclear=tuple(filter(None, [check.question])),
        proposal=check.proposal,
    )


def proposed(
    reading: CheckedReading,
    metadata: Mapping[str, str],
    images: Sequence[Path],
    photographs: Sequence[ImageArray],
    settings: AdoptSettings,
    package: Path,
    listener: Listener,
) -> AdoptSettings:
    """Returns the settings with which the trials found objects, if `propose` agrees to them.

    Raises:
        GateError: nothing was found with other settings either, or they are not agreed to.
    """
    budget = Budget(listener.on_step)
    varied = _with_known_pixels(reading, metadata, settings)
    proposal = reading.proposal or propose(
        reading.decoder, reading.manifest, photographs, varied, reading.wrong, budget
    )
    alone = len(reading.wrong) == 1
    wrong = [_untried(each, settings, alone=alone) for each in reading.wrong]
    if proposal is None:
        raise GateError(
            f"nothing written: {'; '.join(wrong)}; "
            f"other settings were tried ({budget}), and none finds the same objects in the images "
            "and in copies of them: do they show objects of its classes? (--force writes it anyway)"
        )
    picture = package.with_name(f"{package.name}-proposal.png")
    picture.parent.mkdir(parents=True, exist_ok=True)
    preview = draw_preview(picture, images, photographs, proposal.detections)
    if not listener.propose(proposal, preview):
        said = "; ".join(each.partition("; ")[0] for each in wrong)
        how = (
            "add these options, or --yes"
            if proposal.clear
            else "if they are right, add these options; --yes adopts only what is clearer"
        )
        raise GateError(f"nothing written: {said}; {proposal.line(1)}, drawn in {picture}: {how}")
    picture.unlink()
    return replace(settings, **proposal.changes)


def _with_known_pixels(
    reading: CheckedReading, metadata: Mapping[str, str], settings: AdoptSettings
) -> AdoptSettings:
    """Returns the settings with the pixels that the file's exporter decides: they stay."""
    rule, output = reading.decoder.signature.input, reading.decoder.signature.output
    if output.strides or not knows_pixels(metadata, output.layout):
        return settings
    return replace(settings, colour=rule.colour, scale=rule.scale, mean=rule.mean, std=rule.std)


def _untried(doubt: str, settings: AdoptSettings, *, alone: bool) -> str:
    """Returns a doubt, and one that is alone without the remedies that the trials tried.

    They keep what the user said; of several doubts, another may have ended the trials.
    """
    short = doubt.partition("; give ")[0]
    cause, _, option = short.partition(": --")
    field = option.split(" ")[0].replace("-", "_")
    tried = alone and field in TRIED and getattr(settings, field) is None
    return cause if tried else short
