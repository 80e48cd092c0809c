"""Builds the ONNX graph of a network: one self-describing file, for old runtimes too."""

import copy
import logging
import warnings
from dataclasses import replace
from typing import TypeVar

import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from spotlet.manifest import METADATA_KEY, Manifest
from spotlet_export.graph.editing import strip_traces
from spotlet_export.graph.sharing import share_weights
from spotlet_training.network import Network, TwoHeadDetector
from spotlet_training.network.backbone import ConvUnit
from spotlet_training.network.detector import SharedUnit

OPSET = 18
"""ONNX operator set. onnxruntime 1.18, the oldest supported, reads up to 21."""

IR_VERSION = 8
"""ONNX file format: the one that came with opset 18; every newer onnxruntime loads it."""

Folded = TypeVar("Folded", bound=Network)


def build_graph(network: Network, manifest: Manifest) -> onnx.ModelProto:
    """Returns the network as ONNX, with its manifest inside.

    Precondition: the network is in evaluation mode, on the CPU, in float32. Postcondition: the
    model passes onnx's full check, has a free batch side, and needs no other file.

    Args:
        network: not changed.
        manifest: names the input and the outputs.
    """
    example = torch.zeros((2, *network.settings.size_hw, 3), dtype=torch.uint8)
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter's deprecation warnings and its report do not concern the user.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            fold_batch_norms(network),
            (example,),
            dynamo=True,
            external_data=False,
            opset_version=OPSET,
            input_names=[manifest.input.name],
            output_names=[manifest.output.boxes, manifest.output.scores],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    model.ir_version = IR_VERSION
    strip_traces(model)
    share_weights(model, network)
    onnx.helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
    onnx.checker.check_model(model, full_check=True)
    return model


class FoldedUnit(nn.Module):
    """A `SharedUnit` after folding: a separate convolution for every level, and ReLU."""

    def __init__(self, unit: SharedUnit) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(_fold(unit.convolution, norm) for norm in unit.norms)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Returns what the shared unit returns in evaluation mode."""
        pairs = zip(self.convolutions, levels, strict=True)
        return [F.relu(convolution(level)) for convolution, level in pairs]


def fold_batch_norms(network: Folded) -> Folded:
    """Returns a copy with each BatchNorm folded into the convolution before it.

    A detector's `scale`, a power of two, goes into its first weights: not one bit of a result
    changes. Layers that are folded already, as in a recovered network, do not change.
    """
    folded = copy.deepcopy(network).eval()
    for parent in list(folded.modules()):
        for name, module in parent.named_children():
            if isinstance(module, SharedUnit):
                setattr(parent, name, FoldedUnit(module))
            elif isinstance(module, ConvUnit) and not isinstance(module[1], nn.Identity):
                module[0] = _fold(module[0], module[1])
                module[1] = nn.Identity()
    if isinstance(folded, TwoHeadDetector):
        stem = folded.backbone.stem[0]
        assert isinstance(stem, nn.Conv2d)
        stem.weight.data /= folded.settings.scale
        folded.settings = replace(folded.settings, scale=1.0)
    return folded


def _fold(convolution: nn.Module, norm: nn.Module) -> nn.Conv2d:
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(convolution, norm)
