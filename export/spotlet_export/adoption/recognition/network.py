"""Recognises how to read the original: from the file, its outputs, the settings and defaults."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from spotlet.errors import GateError, UsageError
from spotlet.letterbox import ImageArray
from spotlet_export.adoption.metadata import OTHER_TASKS, class_names, key_point_columns
from spotlet_export.adoption.original.file import OriginalFile, Port
from spotlet_export.adoption.recognition.evidence import weigh
from spotlet_export.adoption.recognition.families import check_supported, find_family
from spotlet_export.adoption.recognition.family import BYTE, NONE, ONES, Three
from spotlet_export.adoption.recognition.ids import (
    background_of_ids,
    check_background_name,
    first_id_by_metadata,
    is_of_tensorflow,
)
from spotlet_export.adoption.recognition.input import axes_of, fixed_values, image_port, size_of
from spotlet_export.adoption.recognition.known import known_output
from spotlet_export.adoption.recognition.layout import find_layout
from spotlet_export.adoption.recognition.match import Match
from spotlet_export.adoption.recognition.output import (
    check_cells,
    check_duplicates,
    output_signature,
)
from spotlet_export.adoption.recognition.views import Views
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.signature import SUPPRESSED, InputSignature, Signature

INPUT_DEFAULTS: dict[str, tuple[str, float, float, float, str]] = {
    "4+C,K": ("RGB", BYTE, 0.0, 1.0, "letterbox"),
    "K,4+C": ("RGB", BYTE, 0.0, 1.0, "letterbox"),
    "K,5+C": ("RGB", BYTE, 0.0, 1.0, "letterbox"),
    "K,5+C undecoded": ("BGR", 1.0, 0.0, 1.0, "letterbox_corner"),
    "K,6": ("RGB", BYTE, 0.0, 1.0, "letterbox"),
    "boxes+scores": ("RGB", BYTE, 0.0, 1.0, "stretch"),
    "boxes+scores+ids": ("RGB", BYTE, 0.0, 1.0, "stretch"),
    "ssd": ("RGB", 1.0, 127.5, 127.5, "stretch"),
}
"""Colour, scale, mean, std and resize that most networks with a layout expect."""

BOXLESS_TASKS = {
    "classify": "a classifier: it says what an image shows, not where",
    "semantic": "for segmentation: it has a class for each pixel and no boxes",
    "obb": "for oriented boxes: upright boxes of rotated objects would be wrong",
}
"""Tasks of exporters that Spotlet cannot adopt, and why."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """How to read a file.

    Attributes:
        signature: of its input and outputs.
        resize: how its frames are resized.
        classes: their names; the index is the class id.
        doubts: what looks wrong in this reading, each with the option to try.
        wrong: what looks wrong, and another reading of pixels or boxes may mend.
        family: that its outputs belong to, whose pixels are known; empty if they are not.
    """

    signature: Signature
    resize: str
    classes: tuple[str, ...]
    doubts: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    family: str = ""


def recognise(
    original: OriginalFile,
    photographs: Sequence[ImageArray],
    settings: AdoptSettings,
    on_remark: Callable[[str], None],
) -> Reading:
    """Returns how to read a file. The layout comes first, by what the outputs hold; then the names.

    Args:
        original: the file.
        photographs: the user's pictures, (H, W, 3) uint8 BGR; at least one.
        settings: what the user says; the rest is found, or has a default by layout.
        on_remark: called with what was found.

    Raises:
        UsageError: it cannot be recognised, or options contradict the file.
        GateError: the family is not supported, or the number of names does not fit.
    """
    _check_task(original, on_remark)
    names = settings.classes or class_names(original.metadata)
    if names is None and original.metadata.get("names", "").strip():
        on_remark(
            "the class names in the file's metadata cannot be read: they must be a list, or names "
            f"by class id, each one line: {original.metadata['names'][:60]!r}"
        )
    image = image_port(original, settings)

    @cache
    def expected(layout: str) -> tuple[InputSignature, str]:
        return _expected(original, image, _defaults(layout, settings), settings)

    looked: dict[tuple[Any, ...], Views] = {}

    def views_with(expects: InputSignature, resize: str) -> Views:
        key = (expects.colour, expects.scale, expects.mean, expects.std, resize)
        if key not in looked:
            looked[key] = Views(original, expects, resize, photographs, settings)
        return looked[key]

    def views_of(layout: str) -> Views:
        return views_with(*expected(layout))

    # Of all layouts, the shapes are the same for any values of pixels.
    some = views_of("K,4+C").real[0]
    count = None if names is None else len(names)
    size_hw = expected("K,4+C")[0].size_hw
    family = find_family(some, count, size_hw, settings)
    if family is None and not settings.extra:
        points = replace(settings, extra=key_point_columns(original.metadata))
        family = find_family(some, count, size_hw, points)
    if family is not None:
        own = (family.colour, family.scale, family.mean, family.std, family.resize)
        expects, resize = _expected(original, image, own, settings)
        views = views_with(expects, resize)
        names, output = known_output(original, family, names, views, settings, on_remark)
        signature = Signature(input=expects, output=output)
        reading = _weighed(original, image, signature, resize, names, views, settings, on_remark)
        return replace(reading, family=family.name)
    check_supported(some, size_hw, settings)
    match = find_layout(some, count, settings, views_of, on_remark)
    assert names is not None, "find_layout demands names"
    check_duplicates(original, names)
    expects, resize = expected(match.layout)
    views = views_of(match.layout)
    check_background_name(match, views, names, settings.background)
    said = settings
    if match.layout in SUPPRESSED:
        said = _said_of_rows(original, match, views, names, settings, on_remark)
    output = output_signature(original, match, len(names), views, said)
    signature = Signature(input=expects, output=output)
    check_cells(signature, some[match.boxes].shape)
    return _weighed(original, image, signature, resize, names, views, said, on_remark)


def _weighed(
    original: OriginalFile,
    image: Port,
    signature: Signature,
    resize: str,
    names: tuple[str, ...],
    views: Views,
    settings: AdoptSettings,
    on_remark: Callable[[str], None],
) -> Reading:
    """Returns the reading after a look at the boxes on the user's pictures."""
    if not image.dtype.startswith("float") and not signature.input.plain:
        raise UsageError(f"input {image}: takes whole numbers; drop --scale, --mean and --std")
    signature, doubts, wrong = weigh(original, signature, views.canvases, settings, on_remark)
    return Reading(
        signature=signature,
        resize=resize,
        classes=names,
        doubts=tuple(doubts),
        wrong=tuple(wrong),
    )


def _check_task(original: OriginalFile, on_remark: Callable[[str], None]) -> None:
    """Raises GateError if the exporter says that the outputs are not upright boxes."""
    task = original.metadata.get("task", "").strip()
    if task in BOXLESS_TASKS:
        raise GateError(
            f"{original.path}: task {task!r}: {BOXLESS_TASKS[task]}; only detectors with upright "
            "boxes can be adopted"
        )
    if task in OTHER_TASKS:
        on_remark(f"the file's task is {task!r}: only its boxes are adopted")


Defaults = tuple[str, float, Three, Three, str]
"""Colour, scale, mean, std and resize."""


def _defaults(layout: str, settings: AdoptSettings) -> Defaults:
    """Returns what most networks with a layout expect."""
    undecoded = layout == "K,5+C" and settings.strides != ()
    colour, scale, mean, std, resize = INPUT_DEFAULTS[layout + " undecoded" * undecoded]
    return colour, scale, (mean, mean, mean), (std, std, std), resize


def _expected(
    original: OriginalFile, image: Port, defaults: Defaults, settings: AdoptSettings
) -> tuple[InputSignature, str]:
    """Returns what the input expects, and how frames are resized."""
    axes = settings.axes or axes_of(image)
    colour, scale, mean, std, resize = defaults
    if not image.dtype.startswith("float"):
        scale, mean, std = 1.0, NONE, ONES
    if any(each is not None for each in (settings.scale, settings.mean, settings.std)):
        mean, std = NONE, ONES  # the user set a part of the pixels' range: defaults do not mix in
    expects = InputSignature(
        name=image.name,
        dtype=image.dtype,
        axes=axes,
        size_hw=size_of(original, image, axes, settings),
        colour=settings.colour or colour,
        scale=scale if settings.scale is None else settings.scale,
        mean=settings.mean or mean,
        std=settings.std or std,
        fixed=fixed_values(original, image, settings),
        batch_axis=len(image.shape) == 4,
    )
    return expects, settings.resize or resize


def _said_of_rows(
    original: OriginalFile,
    match: Match,
    views: Views,
    names: tuple[str, ...],
    settings: AdoptSettings,
    on_remark: Callable[[str], None],
) -> AdoptSettings:
    """Returns the settings with the background that class ids show, and TensorFlow's boxes."""
    of_file = names == class_names(original.metadata)
    written = class_names(original.metadata) or names
    if len(written) != len(names):
        raise UsageError(
            f"names: {len(names)}, but those in the file: {len(written)}; --classes must have a "
            "name for each class id"
        )
    background = background_of_ids(
        match,
        views,
        names=names,
        by_metadata=first_id_by_metadata(original.metadata) if of_file else None,
        given=settings.background,
        on_remark=on_remark,
    )
    changes: dict[str, Any] = {"background": background}
    if is_of_tensorflow(match, views.real[0].keys()):
        changes["box_format"] = settings.box_format or "yxyx"
        changes["box_unit"] = settings.box_unit or "unit"
    return replace(settings, **changes)
