"""A runner for a model of Spotlet's, computed by ncnn.

    pip install ncnn numpy
    spotlet prove model.onnx \
        'runner:python ncnn_model.py model.onnx model.ncnn.param model.ncnn.bin' --data SET

The last two files come from pnnx, in a folder of their own with a copy of model.onnx (`pip install
pnnx torch`; height and width are those of the canvas, which `spotlet info` shows):

    pnnx model.onnx 'inputshape=[1,384,384,3]u8' fp16=0

ncnn computes in float16 by default where the processor can. Here it computes in float32, unless
`half` follows the files. The protocol is in docs/runners.md.
"""

import sys
from pathlib import Path

import ncnn
import numpy as np
from protocol import Array, own_output, read_manifest, serve_model


def main(model: str, param: str, weights: str, precision: str = "float32") -> None:
    """Says hello, then answers every picture."""
    answers, manifest = own_output(), read_manifest(model)
    network = ncnn.Net()
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic"):
        setattr(network.opt, f"use_{option}", precision == "half")
    # pnnx keeps the cast of bytes to numbers, a layer that ncnn lacks; here they come as numbers.
    layers = Path(param).read_text("utf-8").replace("Tensor.to ", "Noop ")
    if network.load_param_mem(layers) or network.load_model(weights):
        sys.exit(f"cannot load {param} and {weights}")

    def compute(canvas_bgr: Array) -> tuple[Array, Array]:
        picture = canvas_bgr.astype(np.float32)  # a Mat refers to its array, so that needs a name
        with network.create_extractor() as extractor:
            extractor.input("in0", ncnn.Mat(picture))
            boxes, scores = (np.array(extractor.extract(name)[1]) for name in ("out0", "out1"))
        return boxes, scores

    serve_model(answers, manifest, f"ncnn {ncnn.__version__}, {precision}", compute)


if not 4 <= len(sys.argv) <= 5:
    sys.exit("usage: ncnn_model.py MODEL.onnx MODEL.param MODEL.bin [half]")
main(*sys.argv[1:])
