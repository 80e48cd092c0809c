"""The other files of an adopted package: in eight bits, and with suppression in the graph.

Both are made from the rewritten file, which passed the gate, and pass a gate of their own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx

from spotlet.errors import GateError, ModelFileError, UsageError
from spotlet.model.package import VARIANTS
from spotlet_export.adoption.eight_bits import (
    NO_CONVOLUTION,
    make_int8,
    pictures_in,
)
from spotlet_export.adoption.labels import open_labels
from spotlet_export.adoption.original.graph import NEWEST_OPSET
from spotlet_export.adoption.proof import HALF_LIMITS, INT8_LIMITS, limits_of_graph
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.signature import SUPPRESSED, Signature
from spotlet_export.gate.reference import Reference
from spotlet_export.gate.report import Report, Row
from spotlet_export.gate.variants import END_TO_END, FP32, INT8, Limits
from spotlet_export.graph.opsets import opset_of, with_opset
from spotlet_export.graph.quantisation import ImageSet

LEAST_OPSET = 13
"""The first in which weights have a scale for each channel, and suppression its operators."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Variant:
    """A model file of the package.

    Attributes:
        model: its content.
        proven: the file that passed the gate.
        limits: of the gate.
    """

    model: onnx.ModelProto
    proven: Path
    limits: Limits


@dataclass(slots=True, kw_only=True, eq=False)
class Variants:
    """The model files of a package, and what was measured.

    Attributes:
        files: by variant; the float file first.
        rows: of the gate, for all files.
        quantisation: record of the int8 file; None without one.
    """

    files: dict[str, Variant]
    rows: list[Row] = field(default_factory=list)
    quantisation: dict[str, Any] | None = None


def require_possible(
    graph: onnx.GraphProto, signature: Signature, classes: tuple[str, ...], settings: AdoptSettings
) -> None:
    """Requires a network of which the files that were asked for can be made.

    Args:
        graph: of the original.
        signature: how it is read.
        classes: of the model.
        settings: which files, and from what.

    Raises:
        UsageError: int8 was asked for, and the network has less than float32, suppresses itself or
            has no convolution; or a distribution is missing.
        InputError: there are no pictures to calibrate on.
        DatasetError: the labelled set cannot be read, or has other classes.
    """
    if settings.end_to_end:
        _require_onnxscript()
    if not settings.int8:
        return
    limits = limits_of_graph(graph)
    if limits is INT8_LIMITS:
        raise UsageError("--int8: the network is in eight bits already; adopt it without --int8")
    if limits is HALF_LIMITS:
        raise UsageError(
            "--int8: the network computes in float16; export it in float32 (half=False), then "
            "adopt that file with --int8"
        )
    layout = signature.output.layout
    if layout in SUPPRESSED:
        raise UsageError(
            f"--int8: the outputs (layout {layout}) are suppressed already, so the loss of int8 "
            "cannot be measured cell by cell; export the network without suppression (nms=False), "
            "then adopt that file with --int8"
        )
    if not any(node.op_type == "Conv" for node in graph.node):
        raise UsageError(NO_CONVOLUTION)
    if settings.calibrate is not None:
        pictures_in(settings.calibrate)
    if settings.data is not None:
        open_labels(settings.data, classes)


def make_variants(
    float_file: Variant,
    reference: Reference,
    images: ImageSet,
    settings: AdoptSettings,
    on_step: Callable[[str], None],
    on_remark: Callable[[str], None],
) -> Variants:
    """Returns all files of the package; those that were made from `float_file` passed the gate.

    Args:
        float_file: the rewritten file, which passed the gate.
        reference: the original's results.
        images: the user's, to calibrate int8 on if nothing else was given.
        settings: which files, and how.
        on_step: called with the step that starts.
        on_remark: called with what was assumed.

    Raises:
        GateError: int8 loses too much, or a row of the gate failed.
        ModelFileError: the graph cannot be converted.
        DatasetError: the labelled set cannot be read.
    """
    made = Variants(files={FP32: float_file})
    scratch = float_file.proven.parent
    model = float_file.model
    if settings.int8 or settings.end_to_end:
        model = _of_opset(model)
    if settings.int8:
        int8 = make_int8(model, float_file.proven, reference, images, settings, on_step, on_remark)
        made.files[INT8] = Variant(model=int8.model, proven=int8.file, limits=int8.limits)
        made.rows += int8.rows
        made.quantisation = int8.record
    if settings.end_to_end:
        for variant, source in tuple(made.files.items()):
            cells = model if variant == FP32 else source.model
            on_step(f"comparing suppression in the graph with the runtime's, {variant}")
            joined, rows = _with_suppression(variant, cells, source, reference, scratch)
            made.files[END_TO_END[variant]] = joined
            made.rows += rows
    return made


def require_passed(rows: list[Row]) -> None:
    """Requires that every row passed.

    Raises:
        GateError: one failed.
    """
    failures = Report(tuple(rows)).failures
    if failures:
        failed = "; ".join(f"{row.variant} {row.name} ({row.over})" for row in failures)
        raise GateError(f"nothing written: a file made from the rewritten one differs: {failed}")


def _require_onnxscript() -> None:
    try:
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError("--end-to-end: needs onnxscript: pip install onnxscript") from error


def _with_suppression(
    variant: str, model: onnx.ModelProto, source: Variant, reference: Reference, scratch: Path
) -> tuple[Variant, list[Row]]:
    """Returns the file with suppression, and the rows for it against the file without."""
    # onnxscript is not among what adopting needs otherwise.
    from spotlet_export.gate.end_to_end import compare_end_to_end, with_low_threshold
    from spotlet_export.graph.suppression import with_suppression

    made = END_TO_END[variant]
    joined = with_suppression(model)
    file, low = scratch / VARIANTS[made], scratch / "low.onnx"
    file.write_bytes(joined.SerializeToString())
    low.write_bytes(with_low_threshold(model, reference.score_threshold).SerializeToString())
    rows = compare_end_to_end(reference, source.proven, (file, low), made)
    return Variant(model=joined, proven=file, limits=source.limits), rows


def _of_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns the model, converted to `LEAST_OPSET` if it is older.

    Raises:
        ModelFileError: onnx cannot convert it.
    """
    try:
        converted = with_opset(model, LEAST_OPSET, NEWEST_OPSET)
    except ValueError as error:
        raise ModelFileError(
            f"opset {opset_of(model)}: --int8 and --end-to-end need {LEAST_OPSET}, to which onnx "
            f"cannot convert it ({error}); export it with opset_version={LEAST_OPSET} or more"
        ) from error
    if converted is not model:
        del converted.metadata_props[:]
        converted.metadata_props.extend(model.metadata_props)
        converted.ir_version = model.ir_version
    return converted
