"""Quantises within a budget: layers go back to float until the accuracy holds."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx

from spotlet.errors import GateError
from spotlet_export.graph.quantisation import Calibration, damage_by_layer, hidden_layers, quantise

MOST_IN_FLOAT = 0.5
"""Share of the layers that may go back to float; with more, the file is hardly int8."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quantised:
    """An int8 network that keeps its budget.

    Attributes:
        model: the graph.
        layers: how many could be quantised.
        float_layers: names of those that went back to float, most harmful first.
        damage: of each layer alone, worst first; empty if all layers could stay.
        drops: in AP, with none, one, two … layers in float; the last keeps the budget.
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
) -> Quantised:
    """Returns the int8 network, with as few layers in float as the budget allows.

    Precondition: `model` comes from `build_graph`, and the float32 file passed the gate.
    Postcondition: `drop_of` the result is at most `budget`.

    Args:
        budget: AP that may be lost, absolute.
        model: not changed.
        calibration: training images.
        drop_of: measures the AP that a candidate loses.
        scratch: folder for temporary files.
        on_step: called with the step that starts.

    Raises:
        GateError: int8 is over the budget even with half of the layers in float.
    """
    layers = hidden_layers(model)
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
            raise GateError(
                f"nothing written: int8 loses at least {min(drops):.4f} AP, over the budget of "
                f"{budget:g}, even with {len(in_float)} of {len(layers)} layers in float; raise "
                "--int8-budget, or export without --int8"
            )
        if not damage:
            on_step(f"AP falls by {drops[-1]:.4f}, over {budget:g}: ranking layers by their damage")
            damage = damage_by_layer(model, layers, calibration, scratch)
        in_float.append(next(name for name in damage if name not in in_float))
