"""A runner for a model of Spotlet's, computed by LiteRT, formerly TensorFlow Lite.

    pip install ai-edge-litert numpy
    spotlet prove model.onnx \
        'runner:python litert_model.py model.onnx litert/fixed_float32.tflite' --data SET

The last file comes from onnx2tf, which needs a separate environment (`pip install onnx2tf`,
tried with 1.29.24) and connects to the internet. It wants a batch of one picture; `image` is the
input's name:

    python -m onnxruntime.tools.make_dynamic_shape_fixed --dim_param batch --dim_value 1 \
        model.onnx fixed.onnx
    onnx2tf -i fixed.onnx -o litert -kat image

The protocol is in docs/runners.md.
"""

import sys
from importlib.metadata import version

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from protocol import Array, own_output, read_manifest, serve_model


def main(model: str, converted: str) -> None:
    """Says hello, then answers every picture."""
    answers, manifest = own_output(), read_manifest(model)
    interpreter = Interpreter(converted)
    network = interpreter.get_signature_runner()
    (name, given), *_ = network.get_input_details().items()

    def compute(canvas_bgr: Array) -> tuple[Array, Array]:
        found = network(**{name: np.array(canvas_bgr[None], given["dtype"])})
        boxes, scores = (found[manifest["output"][output]] for output in ("boxes", "scores"))
        return boxes[0], scores[0]

    serve_model(answers, manifest, f"LiteRT {version('ai-edge-litert')}", compute)


if len(sys.argv) != 3:
    sys.exit("usage: litert_model.py MODEL.onnx MODEL.tflite")
main(*sys.argv[1:])
