"""Runs Optimum's validation of an export on given files; for Optimum's environment.

    python optimum_check.py NETWORK.pt SIZE NAME=FILE.onnx ...

The network is described to Optimum as its guide describes a custom model: a configuration with its
inputs, outputs and a generator of random inputs. Prints a line of JSON for each file: name, and
what was raised.
"""

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from optimum.exporters.onnx import validate_model_outputs
from optimum.exporters.onnx.base import OnnxConfig
from optimum.utils import DummyInputGenerator, NormalizedConfig
from transformers import PretrainedConfig

SIZE = int(sys.argv[2])


class Pictures(DummyInputGenerator):  # type: ignore[misc]
    """Random pictures."""

    SUPPORTED_INPUT_NAMES = ("images",)

    def __init__(self, *_: object, batch_size: int = 2, **__: object) -> None:
        self.batch_size = batch_size

    def generate(
        self, input_name: str, framework: str = "pt", int_dtype: str = "", float_dtype: str = "fp32"
    ) -> Any:
        """Returns a batch of noise in [0, 1]."""
        shape = [self.batch_size, 3, SIZE, SIZE]
        return self.random_float_tensor(shape, 0, 1, framework=framework, dtype=float_dtype)


class DetectorConfig(OnnxConfig):  # type: ignore[misc]
    """Inputs and outputs of the network."""

    NORMALIZED_CONFIG_CLASS = NormalizedConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (Pictures,)
    inputs = {"images": {0: "batch"}}  # noqa: RUF012
    outputs = {"boxes": {0: "batch"}, "scores": {0: "batch"}}  # noqa: RUF012

    def patch_model_for_export(self, *_: object, **__: object) -> Any:
        """Leaves the network as it is."""
        return nullcontext()


class Named(torch.nn.Module):
    """The network with named outputs, as models of Transformers have."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Returns boxes and scores."""
        return dict(zip(("boxes", "scores"), self.network(images), strict=True))


def main() -> None:
    """Validates each file."""
    network = Named(torch.jit.load(sys.argv[1]))  # type: ignore[no-untyped-call]
    config = DetectorConfig(PretrainedConfig(), task="object-detection")
    torch.manual_seed(0)
    for word in sys.argv[3:]:
        name, file = word.split("=", 1)
        raised = ""
        try:
            validate_model_outputs(
                config, network, Path(file), ["boxes", "scores"], use_subprocess=False
            )
        except Exception as error:
            raised = f"{type(error).__name__}: {error}"
        print(json.dumps([name, raised]), flush=True)


if __name__ == "__main__":
    main()
