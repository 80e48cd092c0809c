"""Quantises within a budget: layers go back to float until the accuracy holds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from spotlet.errors import GateError
from spotlet_export.graph.quantisation import Calibration, damage_by_layer, hidden_layers, quantise

MOST_IN_FLOAT = 0.5
"""Share of the layers that may go back to float; with more, the file is hardly int8."""


OVER_BUDGET = "AP falls by {drop:.4f}, over {budget:g}"
OUT_OF_REACH = (
    "nothing written: int8 loses at least {drop:.4f} AP, over the budget of {budget:g}, even with "
    "{in_float} of {layers} layers in float; raise --int8-budget, or export without --int8"
)
"""What is said while layers go back, and if half of them is not enough."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quantised:
    """An int8 network that keeps its budget.

    Attributes:
        model: the graph.
        layers: how many could be quantised.
        float_layers: names of those that went back to float, most harmful first.
        damage: of each layer alone, worst first; empty if all layers could stay.
        drops: in AP, with none, then more and more layers in float; the last keeps the budget.
    """

    model: onnx.ModelProto
    layers: int
    float_layers: tuple[str, ...]
    damage: dict[str, float]
    drops: tuple[float, ...]


def quantise_within(
    budget: float,
    model: onnx.ModelProto,
    calibration: Calibration,
    drop_of: Callable[[onnx.ModelProto], float],
    scratch: Path,
    on_step: Callable[[str], None] = lambda _: None,
    *,
    layers: Mapping[str, Sequence[str]] | None = None,
    at_once: int = 1,
    over_budget: str = OVER_BUDGET,
    out_of_reach: str = OUT_OF_REACH,
) -> Quantised:
    """Returns the int8 network, with as few layers in float as the budget allows.

    Precondition: as of `quantise`, and the float32 file passed the gate.
    Postcondition: `drop_of` the result is at most `budget`.

    Args:
        budget: AP that may be lost, absolute; or what `drop_of` measures.
        model: not changed.
        calibration: training images.
        drop_of: measures the AP that a candidate loses.
        scratch: folder for temporary files.
        on_step: called with the step that starts.
        layers: that can be quantised; those of `hidden_layers` by default.
        at_once: how many layers go back to float together.
        over_budget: step text for a `drop` over the `budget`.
        out_of_reach: message of the error; it may also have `in_float` and `layers`.

    Raises:
        GateError: int8 is over the budget even with half of the layers in float.
    """
    layers = hidden_layers(model) if layers is None else layers
    if not layers:
        raise GateError("the network has no layer that can be int8; export it without --int8")
    in_float: list[str] = []
    damage: dict[str, float] = {}
    drops: list[float] = []
    while True:
        chosen = [name for name in layers if name not in in_float]
        on_step(f"quantising {len(chosen)} of {len(layers)} layers")
        candidate = quantise(model, layers, chosen, calibration.canvases(), scratch)
        drops.append(drop_of(candidate))
        if drops[-1] <= budget:
            return Quantised(
                model=candidate,
                layers=len(layers),
                float_layers=tuple(in_float),
                damage=damage,
                drops=tuple(drops),
            )
        if len(in_float) >= MOST_IN_FLOAT * len(layers):
            amounts = {"in_float": len(in_float), "layers": len(layers)}
            raise GateError(out_of_reach.format(drop=min(drops), budget=budget, **amounts))
        if not damage:
            fallen = over_budget.format(drop=drops[-1], budget=budget)
            on_step(f"{fallen}: ranking layers by their damage")
            damage = damage_by_layer(model, layers, calibration, scratch, on_step)
        in_float += [name for name in damage if name not in in_float][:at_once]
