"""The variants of an export, and how far each may differ from PyTorch."""

from dataclasses import dataclass

from spotlet.check.tolerances import FP32_TOLERANCE, INT8_TOLERANCE, GoldenTolerance

FP32, INT8 = "fp32", "int8"

END_TO_END = {FP32: "end-to-end", INT8: "int8-end-to-end"}
"""The variant with suppression in the graph, by the variant that it is made from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far a variant may differ from the original network.

    Attributes:
        exact: whether it computes the same numbers except for float noise. Then the limits apply to
            the worst element and the worst detection; otherwise to their means, for tensors over
            the cells of real frames with an object, and detections near the score threshold may be
            missed.
        tensors: of |Δ| of a tensor's elements: boxes in [0, 1] of the canvas, scores.
        unmatched: detections without a partner, as a share of all.
        iou: least overlap of a detection with its partner.
        scores: of |Δ| of a detection's score.
        accuracy: AP that may be lost, absolute; if exact, also gained.
        golden: what `spotlet check` allows on a device.
    """

    exact: bool
    tensors: float
    unmatched: float
    iou: float
    scores: float
    accuracy: float
    golden: GoldenTolerance

    @property
    def statistic(self) -> str:
        """The statistic that is compared with the limits: `max` or `mean`."""
        return "max" if self.exact else "mean"


FP32_LIMITS = Limits(
    exact=True,
    tensors=1e-4,
    unmatched=0.0,
    iou=0.99,
    scores=1e-3,
    accuracy=5e-4,
    golden=FP32_TOLERANCE,
)
"""Float noise: fused multiplications, sums in another order."""

DEFAULT_BUDGET = 0.01
"""AP that int8 may cost, absolute."""


def int8_limits(budget: float) -> Limits:
    """Returns the limits of the int8 variant.

    Eight bits divide a layer's range into steps of 0.4 %. The limits on tensors and detections are
    several times what sound files show, and far below what a broken file shows; the accuracy
    decides.

    Args:
        budget: AP that it may cost, absolute.
    """
    return Limits(
        exact=False,
        tensors=0.02,
        unmatched=0.2,
        iou=0.85,
        scores=0.05,
        accuracy=budget,
        golden=INT8_TOLERANCE,
    )
