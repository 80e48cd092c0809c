"""Runs a program in an environment where torchvision's compiled operators do not load.

    python with_nms.py PROGRAM [ARGUMENT ...]

torchvision's builds on package indexes are often for CUDA only. With a PyTorch for the CPU
they cannot load their operators, and then cannot be imported at all. Detectors need one of
them, non-maximum suppression: here OpenCV's replaces it, by the same rule.
"""

import importlib
import runpy
import sys
from typing import Any

import cv2
import numpy as np
import torch

SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
"""Source: torchvision's operator schema; the names of its arguments are part of it."""


def suppress(dets: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Returns the indices of boxes that do not overlap a better one by more than a threshold.

    Args:
        dets: (N, 4) boxes xyxy.
        scores: (N,) of them, above 0.
        iou_threshold: greatest overlap that is kept.

    Returns:
        (K,) int64, the best score first.
    """
    boxes_xywh: Any = dets.detach().numpy().astype(np.float64)
    boxes_xywh[:, 2:] -= boxes_xywh[:, :2]
    weights: Any = scores.detach().float().numpy()
    kept = cv2.dnn.NMSBoxes(boxes_xywh, weights, 0.0, iou_threshold)
    return torch.from_numpy(np.array(kept, np.int64).reshape(-1))


def main() -> None:
    """Declares the operators before torchvision looks for them, then becomes the program."""
    library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for operator in ("nms", "qnms"):  # the quantized one is looked up too, but never called
        library.define(operator + SIGNATURE)
    library.impl("nms", suppress, "CPU")
    extension: Any = importlib.import_module("torchvision.extension")
    extension._has_ops = lambda: True
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
