"""A runner for NanoDet-Plus m 416, which knows COCO's 80 classes, with ncnn.

    pip install ncnn numpy
    spotlet label PICTURES --out SET \
        --runner 'python nanodet_plus.py nanodet-plus-m_416.param nanodet-plus-m_416.bin'

The two files are in github.com/Qengineering/NanoDetPlus-ncnn-Raspberry-Pi-4 (BSD-3-Clause);
NanoDet itself, github.com/RangiLyu/nanodet, has the Apache licence 2.0. Other networks of its
family need another SIDE. The protocol is in docs/runners.md.
"""

import json
import os
import sys

import ncnn
import numpy as np

NAMES = """person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,
stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,
umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,
skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,
sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,
toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,
clock,vase,scissors,teddy bear,hair drier,toothbrush""".replace("\n", "").split(",")

SIDE, STRIDES, BINS = 416, (8, 16, 32, 64), 8
MEAN_BGR, SCALE_BGR = (103.53, 116.28, 123.675), (0.017429, 0.017507, 0.017125)

# ncnn may print to standard output, which belongs to the protocol: answers go to a copy of it.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def say(**content: object) -> None:
    """Writes one line, at once."""
    answers.write(json.dumps(content) + "\n")
    answers.flush()


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
    net = ncnn.Net()
    if net.load_param(param) or net.load_model(weights):
        sys.exit(f"cannot load {param} and {weights}")
    canvas = {"height": SIDE, "width": SIDE, "colour": "bgr", "resize": "letterbox", "pad": 0}
    say(
        spotlet_runner=1,
        name="NanoDet-Plus m 416",
        classes=NAMES,
        input=canvas,
        score_threshold=0.4,
        iou_threshold=0.6,
    )
    points, strides = cells()
    while line := sys.stdin.buffer.readline():
        asked = json.loads(line)
        picture = sys.stdin.buffer.read(SIDE * SIDE * 3)
        if len(picture) < SIDE * SIDE * 3:  # Spotlet was killed
            break
        mat = ncnn.Mat.from_pixels(
            np.frombuffer(picture, np.uint8), ncnn.Mat.PixelType.PIXEL_BGR, SIDE, SIDE
        )
        mat.substract_mean_normalize(MEAN_BGR, SCALE_BGR)
        with net.create_extractor() as extractor:
            extractor.input("data", mat)
            output = np.array(extractor.extract("output")[1])
        rows, class_ids = np.nonzero(output[:, : len(NAMES)] >= max(asked["score_threshold"], 0.01))
        # Each side is a distribution over 0 to 7 strides; its mean is the distance from the point.
        bins = np.exp(output[rows, len(NAMES) :].reshape(-1, 4, BINS))
        sides = (bins / bins.sum(2, keepdims=True)) @ np.arange(BINS) * strides[rows]
        boxes = np.hstack([points[rows] - sides[:, :2], points[rows] + sides[:, 2:]])
        say(
            id=asked["id"],
            boxes=boxes.round(2).tolist(),
            scores=output[rows, class_ids].clip(0, 1).tolist(),
            class_ids=class_ids.tolist(),
        )


main(*sys.argv[1:])
