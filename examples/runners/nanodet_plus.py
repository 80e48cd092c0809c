"""A runner for NanoDet-Plus m 416, which knows COCO's 80 classes, with ncnn.

    pip install ncnn numpy
    spotlet label PICTURES --out SET \
        --runner 'python nanodet_plus.py nanodet-plus-m_416.param nanodet-plus-m_416.bin'

The two files are in github.com/Qengineering/NanoDetPlus-ncnn-Raspberry-Pi-4 (BSD-3-Clause);
NanoDet itself, github.com/RangiLyu/nanodet, has the Apache licence 2.0. Other networks of its
family need another SIDE. The protocol is in docs/runners.md.
"""

import sys

import ncnn
import numpy as np
from protocol import Array, own_output, serve

NAMES = """person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,
stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,
umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,
skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,
sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,
toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,
clock,vase,scissors,teddy bear,hair drier,toothbrush""".replace("\n", "").split(",")

SIDE, STRIDES, BINS = 416, (8, 16, 32, 64), 8
MEAN_BGR, SCALE_BGR = (103.53, 116.28, 123.675), (0.017429, 0.017507, 0.017125)


def cells() -> tuple[np.ndarray, np.ndarray]:
    """Returns the point (3598, 2) and the stride (3598, 1) of each cell, pixels of the canvas."""
    points, strides = [], []
    for stride in STRIDES:
        count = -(-SIDE // stride)
        rows, columns = np.divmod(np.arange(count * count), count)
        points.append(np.stack([columns, rows], 1) * stride)
        strides.append(np.full((count * count, 1), stride))
    return np.concatenate(points), np.concatenate(strides)


def main(param: str, weights: str) -> None:
    """Says hello, then answers every picture."""
    answers, net = own_output(), ncnn.Net()
    if net.load_param(param) or net.load_model(weights):
        sys.exit(f"cannot load {param} and {weights}")
    points, strides = cells()

    def find(picture: Array, score_threshold: float) -> tuple[Array, ...]:
        mat = ncnn.Mat.from_pixels(picture.ravel(), ncnn.Mat.PixelType.PIXEL_BGR, SIDE, SIDE)
        mat.substract_mean_normalize(MEAN_BGR, SCALE_BGR)
        with net.create_extractor() as extractor:
            extractor.input("data", mat)
            output = np.array(extractor.extract("output")[1])
        rows, class_ids = np.nonzero(output[:, : len(NAMES)] >= max(score_threshold, 0.01))
        # Each side is a distribution over 0 to 7 strides; its mean is the distance from the point.
        bins = np.exp(output[rows, len(NAMES) :].reshape(-1, 4, BINS))
        sides = (bins / bins.sum(2, keepdims=True)) @ np.arange(BINS) * strides[rows]
        boxes = np.hstack([points[rows] - sides[:, :2], points[rows] + sides[:, 2:]])
        return boxes.round(2), output[rows, class_ids].clip(0, 1), class_ids

    hello = {
        "name": "NanoDet-Plus m 416",
        "classes": NAMES,
        "input": {"height": SIDE, "width": SIDE, "resize": "letterbox", "pad": 0},
        "score_threshold": 0.4,
        "iou_threshold": 0.6,
    }
    serve(answers, hello, find)


if len(sys.argv) != 3:
    sys.exit("usage: nanodet_plus.py MODEL.param MODEL.bin")
main(*sys.argv[1:])
