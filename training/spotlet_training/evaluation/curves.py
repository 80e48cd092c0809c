"""Precision by recall, at one IoU threshold, by the COCO protocol."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spotlet.detections import Detections
from spotlet.errors import UsageError
from spotlet.evaluation import ALL, Truth, mean_precision, protocol_precision


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PrecisionCurves:
    """Precision by recall at one IoU threshold.

    Attributes:
        iou_threshold: the least overlap that counts as found.
        class_names: the index is the class id.
        precision: (C, 101) float64 in [0, 1], of each class at `RECALLS`: the best precision at
            that recall or a greater one, as the protocol has it. NaN for a class without objects.
    """

    iou_threshold: float
    class_names: tuple[str, ...]
    precision: npt.NDArray[np.float64]

    @property
    def per_class_ap(self) -> dict[str, float | None]:
        """AP at this threshold of each class, by name."""
        return {
            name: mean_precision(row)
            for name, row in zip(self.class_names, self.precision, strict=True)
        }

    @property
    def ap(self) -> float | None:
        """AP at this threshold, the mean over the classes."""
        return mean_precision(self.precision)


def precision_curves(
    truths: Sequence[Truth],
    found: Sequence[Detections],
    class_names: Sequence[str],
    iou_threshold: float = 0.5,
) -> PrecisionCurves:
    """Returns precision by recall, at an IoU threshold that need not be one of the protocol's.

    Args:
        truths: one for each frame; these three as for `average_precision`.
        found: one for each frame.
        class_names: the index is the class id in both.
        iou_threshold: the least overlap that counts as found, over 0 and at most 1.

    Raises:
        UsageError: the threshold is out of its range, or as for `average_precision`.
    """
    if not 0 < iou_threshold <= 1:
        raise UsageError(f"IoU threshold {iou_threshold}: must be over 0 and at most 1")
    precision = protocol_precision(truths, found, len(class_names), iou_threshold)[0, :, :, ALL].T
    return PrecisionCurves(
        iou_threshold=iou_threshold,
        class_names=tuple(class_names),
        precision=np.where(precision > -1, precision, np.nan),
    )
