"""A runner for FastestDet, which knows COCO's 80 classes, with ncnn.

    pip install ncnn numpy
    spotlet label PICTURES --out SET \
        --runner 'python fastestdet.py FastestDet.param FastestDet.bin coco.names'

The three files are in github.com/dog-qiuqiu/FastestDet (BSD-3-Clause), below example/ncnn and
configs. A network with other classes needs its own file of names. The protocol is in
docs/runners.md.
"""

import sys
from pathlib import Path

import ncnn
import numpy as np
from protocol import Array, own_output, serve

SIDE = 352

RENAMED = {
    "motorbike": "motorcycle", "aeroplane": "airplane", "sofa": "couch", "tvmonitor": "tv",
    "pottedplant": "potted plant", "diningtable": "dining table",
}  # fmt: skip
"""Names in the file, and what COCO calls them."""


def main(param: str, weights: str, names: str) -> None:
    """Says hello, then answers every picture."""
    answers, net = own_output(), ncnn.Net()
    if net.load_param(param) or net.load_model(weights):
        sys.exit(f"cannot load {param} and {weights}")

    def find(picture: Array, score_threshold: float) -> tuple[Array, ...]:
        mat = ncnn.Mat.from_pixels(picture.ravel(), ncnn.Mat.PixelType.PIXEL_BGR, SIDE, SIDE)
        mat.substract_mean_normalize((0, 0, 0), (1 / 255, 1 / 255, 1 / 255))
        with net.create_extractor() as extractor:
            extractor.input("input.1", mat)
            output = np.array(extractor.extract("758")[1])
        # One grid: whether there is an object, its box, and the probability of each class.
        is_object, place, classes = output[0], output[1:5], output[5:]
        scores = is_object**0.6 * classes.max(0) ** 0.4
        rows, columns = np.nonzero(scores >= score_threshold)
        x, y, width, height = place[:, rows, columns]
        # The centre, up to a cell away from the cell's corner; the size, as a share of the picture.
        centre = (np.stack([columns, rows], 1) + np.tanh(np.stack([x, y], 1))) / scores.shape[::-1]
        half = 0.5 / (1 + np.exp(-np.stack([width, height], 1)))
        boxes = np.hstack([centre - half, centre + half]) * SIDE
        class_ids = classes[:, rows, columns].argmax(0)
        return boxes.round(2), scores[rows, columns].clip(0, 1), class_ids

    known = [RENAMED.get(name, name) for name in Path(names).read_text().split("\n") if name]
    hello = {
        "name": f"FastestDet, ncnn {ncnn.__version__}",
        "classes": known,
        "input": {"height": SIDE, "width": SIDE, "resize": "stretch"},
        "score_threshold": 0.65,
        "iou_threshold": 0.45,
    }
    serve(answers, hello, find)


if len(sys.argv) != 4:
    sys.exit("usage: fastestdet.py MODEL.param MODEL.bin NAMES")
main(*sys.argv[1:])
