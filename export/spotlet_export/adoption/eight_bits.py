"""The int8 file of an adopted package: quantised, with layers in float until the gate passes.

With labels, the loss in AP decides, as for an export; without, the gate's rows on tensors and
detections do.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from spotlet.bench.int8_gain import measure_int8_gain
from spotlet.errors import GateError, InputError, SpotletError
from spotlet.image_files import is_image_file, read_image
from spotlet.letterbox import ImageArray
from spotlet.model.package import VARIANTS
from spotlet.session import ModelSession
from spotlet_export.adoption.labels import Labels
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.gate.detection_parity import compare_detections
from spotlet_export.gate.reference import Reference
from spotlet_export.gate.report import Row
from spotlet_export.gate.tensor_parity import compare_tensors
from spotlet_export.gate.variants import INT8, Limits, int8_limits
from spotlet_export.graph.budget import quantise_within
from spotlet_export.graph.convolutions import convolution_layers, prepare
from spotlet_export.graph.editing import spread_weights
from spotlet_export.graph.quantisation import Calibration, ImageSet

FEW_IMAGES = 16
"""With fewer, a range of values may be missing: 16 cost up to 0.007 AP on a shipped model."""

ROUNDS = 16
"""In which the layers of a large network go back to float; ranking and measuring each alone would
take hours."""

NO_CONVOLUTION = "--int8: no convolution that can be in eight bits; adopt it without --int8"

OVER_BUDGET = "int8 is {drop:.3g} over a limit"
OUT_OF_REACH = (
    "nothing written: int8 loses too much even with {in_float} of {layers} layers in float; give "
    "--calibrate more pictures of what the model will see, or adopt it without --int8"
)


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of a set.

    Attributes:
        image_bgr: (H, W, 3) uint8.
    """

    image_bgr: ImageArray


@dataclass(frozen=True, slots=True)
class Pictures:
    """Images in memory, or in files that are read when they are needed.

    Attributes:
        images: arrays (H, W, 3) uint8 BGR, or paths.
    """

    images: Sequence[ImageArray | Path]

    def __len__(self) -> int:
        return len(self.images)

    def load(self, index: int) -> Picture:
        """Returns the image at `index`, from 0."""
        image = self.images[index]
        return Picture(read_image(image) if isinstance(image, Path) else image)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EightBits:
    """The int8 file that passed the gate.

    Attributes:
        model: its content.
        file: the file.
        limits: of the gate.
        rows: of the gate.
        record: for `parity.json` and the card.
    """

    model: onnx.ModelProto
    file: Path
    limits: Limits
    rows: list[Row]
    record: dict[str, Any]


def make_int8(
    model: onnx.ModelProto,
    float_file: Path,
    reference: Reference,
    images: ImageSet,
    settings: AdoptSettings,
    on_step: Callable[[str], None],
    on_remark: Callable[[str], None],
) -> EightBits:
    """Returns the int8 file, with as few layers in float as the gate allows.

    Args:
        model: the rewritten network, opset 13 or newer.
        float_file: the rewritten file, which passed the gate.
        reference: the original's results.
        images: the user's, to calibrate on if `settings` name no others.
        settings: what to calibrate on, the labelled set and the budget.
        on_step: called with the step that starts.
        on_remark: called with what it is calibrated on.

    Raises:
        GateError: it is over a limit even with half of the layers in float.
        InputError: there are no pictures to calibrate on.
        DatasetError: the labelled set cannot be read, or has other classes.
    """
    prepared = spread_weights(prepare(model))
    layers = convolution_layers(prepared)
    if not layers:
        raise GateError(NO_CONVOLUTION)
    labelled = Labels(settings.data, float_file, reference, on_step) if settings.data else None
    dataset, kind = _calibration_set(settings, images, labelled)
    calibration = Calibration.of(dataset, reference.manifest)
    few = "; few: --calibrate FOLDER takes more" * (calibration.count < FEW_IMAGES)
    on_remark(f"int8: calibrated on {kind}: {calibration.count}{few}")
    limits = int8_limits(settings.int8_budget)
    file = float_file.with_name(VARIANTS[INT8])
    rows: list[Row] = []
    failed: list[Row] = []

    def excess(candidate: onnx.ModelProto) -> float:
        """Measures a candidate; returns how far it is over the limits, 0 if it passes."""
        file.write_bytes(candidate.SerializeToString())
        session = ModelSession(file)
        rows[:] = compare_tensors(reference, session, limits, INT8)
        rows.extend(compare_detections(reference, session, limits, INT8))
        if labelled is not None:
            rows.append(labelled.row(file, limits))
        failed[:] = [row for row in rows if not row.passed]
        over = [abs(row.measured - row.limit) for row in failed]
        return float(np.nan_to_num(np.max(over, initial=0.0), nan=np.inf))

    try:
        quantised = quantise_within(
            0.0,
            prepared,
            calibration,
            excess,
            float_file.parent,
            on_step,
            layers=layers,
            at_once=max(1, len(layers) // ROUNDS),
            over_budget=OVER_BUDGET,
            out_of_reach=OUT_OF_REACH,
        )
    except GateError as error:
        figures = (f"{row.name}: {row.measured:.3g}, limit {row.limit:g}" for row in failed)
        raise GateError("; ".join([str(error), *figures])) from error
    except SpotletError:
        raise
    except Exception as error:  # onnxruntime's quantiser raises many kinds
        raise GateError(
            f"--int8: onnxruntime cannot quantise the network ({str(error).splitlines()[0]}); "
            "adopt it without --int8"
        ) from error
    record = {
        "calibration_images": calibration.count,
        "calibrated_on": kind,
        "budget": settings.int8_budget if labelled else None,
        "ap_drop": labelled.drop if labelled else None,
        "layers": quantised.layers,
        "float_layers": list(quantised.float_layers),
        "damage": quantised.damage,
        "latency": asdict(measure_int8_gain(float_file, file)),
    }
    return EightBits(model=quantised.model, file=file, limits=limits, rows=rows, record=record)


def pictures_in(folder: Path) -> list[Path]:
    """Returns the image files below a folder.

    Raises:
        InputError: there are none.
    """
    if not folder.is_dir():
        raise InputError(f"--calibrate {folder}: no such folder; give a folder of pictures")
    files = sorted(path for path in folder.rglob("*") if is_image_file(path))
    if not files:
        raise InputError(f"--calibrate {folder}: no pictures in this folder; give another")
    return files


def _calibration_set(
    settings: AdoptSettings, images: ImageSet, labelled: Labels | None
) -> tuple[ImageSet, str]:
    """Returns the images to calibrate on, and what they are."""
    if settings.calibrate is not None:
        return Pictures(pictures_in(settings.calibrate)), "pictures of --calibrate"
    if labelled is not None:
        return labelled.training_images(), "training images of --data"
    return images, "pictures of --image"
