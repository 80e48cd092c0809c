"""A runner for a model of Spotlet's, computed by OpenCV's DNN module.

    pip install opencv-python-headless
    spotlet prove model.onnx 'runner:python opencv_dnn.py model.onnx' --data SET

The file is read as it is. The protocol is in docs/runners.md.
"""

import sys

import cv2
from protocol import Array, own_output, read_manifest, serve_model


def main(model: str) -> None:
    """Says hello, then answers every picture."""
    answers, manifest = own_output(), read_manifest(model)
    network = cv2.dnn.readNetFromONNX(model)
    names = [manifest["output"][name] for name in ("boxes", "scores")]

    def compute(canvas_bgr: Array) -> tuple[Array, Array]:
        network.setInput(canvas_bgr[None], manifest["input"]["name"])
        boxes, scores = network.forward(names)
        return boxes[0], scores[0]

    serve_model(answers, manifest, f"OpenCV {cv2.__version__}", compute)


if len(sys.argv) != 2:
    sys.exit("usage: opencv_dnn.py MODEL.onnx")
main(sys.argv[1])
