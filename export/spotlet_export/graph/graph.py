"""From a network to the ONNX file's content: one file, self-describing, for old runtimes too."""

import copy
import logging
import warnings
from typing import TypeVar

import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from spotlet.manifest import METADATA_KEY, Manifest
from spotlet_training.network import Network
from spotlet_training.network.backbone import ConvUnit
from spotlet_training.network.detector import SharedUnit

OPSET = 18
"""ONNX operator set; onnxruntime 1.18, the oldest that is supported, has up to 21."""

IR_VERSION = 8
"""ONNX file format; the one of opset 18's own time, which every newer onnxruntime loads."""


Folded = TypeVar("Folded", bound=Network)


def build_graph(network: Network, manifest: Manifest) -> onnx.ModelProto:
    """Returns the network as ONNX, with its manifest inside.

    Precondition: the network is in evaluation mode, on the CPU, in float32. Postcondition: the
    model passes onnx's full check, has a free batch side, and refers to no other file.

    Args:
        network: stays as it was.
        manifest: names the input and the outputs.
    """
    example = torch.zeros((2, *network.settings.size_hw, 3), dtype=torch.uint8)
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter's own deprecations and its report on standard output are not the user's.
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
    strip_development_traces(model)
    onnx.helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
    onnx.checker.check_model(model, full_check=True)
    return model


class FoldedUnit(nn.Module):
    """What a `SharedUnit` becomes: a convolution of its own for every level, and ReLU."""

    def __init__(self, unit: SharedUnit) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(_fold(unit.convolution, norm) for norm in unit.norms)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Returns what the unit does, in evaluation mode."""
        pairs = zip(self.convolutions, levels, strict=True)
        return [F.relu(convolution(level)) for convolution, level in pairs]


def fold_batch_norms(network: Folded) -> Folded:
    """Returns a copy in which each BatchNorm is part of the convolution before it.

    What is folded already, as a recovered network is, stays as it is.
    """
    folded = copy.deepcopy(network).eval()
    for parent in list(folded.modules()):
        for name, module in parent.named_children():
            if isinstance(module, SharedUnit):
                setattr(parent, name, FoldedUnit(module))
            elif isinstance(module, ConvUnit) and not isinstance(module[1], nn.Identity):
                module[0] = _fold(module[0], module[1])
                module[1] = nn.Identity()
    return folded


def _fold(convolution: nn.Module, norm: nn.Module) -> nn.Conv2d:
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(convolution, norm)


def strip_development_traces(model: onnx.ModelProto) -> None:
    """Removes what tells of the machine that exported: source lines, paths, module names."""
    model.doc_string = ""
    del model.metadata_props[:]
    graph = model.graph
    graph.doc_string = ""
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
    for info in graph.value_info:
        del info.metadata_props[:]
    for node in graph.node:
        node.doc_string = ""
