"""One fault of the catalogue: what it is called, what it does, and how to plant it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import onnx

Kind = Literal["fault", "rounding", "control"]
"""A fault; rounding that a limit may allow; or a change that leaves the network what it was."""


class NotApplicableError(ValueError):
    """A model has nothing that the fault could be planted in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A planted fault, or a control.

    Attributes:
        name: that of its module.
        description: one sentence.
        seen: where it was reported or is documented; empty if in no public place.
        kind: what a checker should say about it.
        change: changes a model in place; raises NotApplicableError.
    """

    name: str
    description: str
    seen: str = ""
    kind: Kind = "fault"
    change: Callable[[onnx.ModelProto], None]

    def plant(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Returns a copy of a model with this fault.

        Args:
            model: with a manifest, of the form `cells`: canvases (N, H, W, 3) uint8 BGR in, boxes
                (N, K, 4) in [0, 1] of the canvas and scores (N, K, C) out.

        Raises:
            NotApplicableError: the fault needs something that the model does not have.
        """
        planted = onnx.ModelProto()
        planted.CopyFrom(model)
        self.change(planted)
        return planted
