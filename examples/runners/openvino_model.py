"""A runner for a model of Spotlet's, computed by OpenVINO.

    pip install openvino
    spotlet prove model.onnx 'runner:python openvino_model.py model.onnx' --data SET

The file is read as it is. Where the processor is faster with it, OpenVINO rounds to bfloat16 or
float16 by default; here it computes in float32, unless a precision follows the file: bf16, f16, or
`undefined` for its own choice. A device, such as GPU, may follow the precision. The protocol is in
docs/runners.md.
"""

import sys

import openvino
from protocol import Array, own_output, read_manifest, serve_model


def main(model: str, precision: str = "f32", device: str = "CPU") -> None:
    """Says hello, then answers every picture."""
    answers, manifest = own_output(), read_manifest(model)
    rounding = {"INFERENCE_PRECISION_HINT": precision}
    network = openvino.Core().compile_model(model, device, rounding)

    def compute(canvas_bgr: Array) -> tuple[Array, Array]:
        found = network([canvas_bgr[None]])
        boxes, scores = (found[manifest["output"][name]] for name in ("boxes", "scores"))
        return boxes[0], scores[0]

    engine = f"OpenVINO {openvino.__version__.split('-')[0]}, {precision}"
    serve_model(answers, manifest, engine, compute)


if not 2 <= len(sys.argv) <= 4:
    sys.exit("usage: openvino_model.py MODEL.onnx [PRECISION [DEVICE]]")
main(*sys.argv[1:])
