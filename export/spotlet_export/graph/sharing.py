"""Stores head weights that the levels share once.

After folding, each level's convolution has the trained weights times the scale of that level's
BatchNorm. The file holds weights and scales instead, 0.7 MB less for `nano`; runtimes multiply them
once, on loading.
"""

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn

from spotlet_training.network.detector import SharedUnit


def share_weights(model: onnx.ModelProto, network: nn.Module) -> None:
    """Replaces the levels' weights by the shared ones and a product for each level, in place.

    Precondition: `model` is the graph of `network`, folded. Postcondition: the products are equal
    to the weights before, to the bit; units for which they would not be stay as they are. Of a
    network that was folded before, nothing is shared.
    """
    graph = model.graph
    values = {each.name: each for each in graph.initializer}
    products: list[onnx.NodeProto] = []
    for name, unit in network.named_modules():
        if not isinstance(unit, SharedUnit):
            continue
        shared = unit.convolution.weight.detach().numpy()
        scales = {
            f"{name}.convolutions.{level}.weight": _scale(norm)
            for level, norm in enumerate(unit.norms)
        }
        if not all(
            np.array_equal(numpy_helper.to_array(values[own]), shared * scale)
            for own, scale in scales.items()
        ):
            continue
        graph.initializer.append(numpy_helper.from_array(shared, f"{name}.weight"))
        for own, scale in scales.items():
            graph.initializer.remove(values[own])
            graph.initializer.append(numpy_helper.from_array(scale, f"{own}.scale"))
            inputs = [f"{name}.weight", f"{own}.scale"]
            products.append(helper.make_node("Mul", inputs, [own], name=own))
    for place, node in enumerate(products):
        graph.node.insert(place, node)


def _scale(norm: nn.Module) -> npt.NDArray[np.float32]:
    """Returns what a BatchNorm multiplies the weights of a convolution by (channels, 1, 1, 1)."""
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    scale = norm.weight.detach() * torch.rsqrt(norm.running_var + norm.eps)
    return scale.view(-1, 1, 1, 1).numpy()
