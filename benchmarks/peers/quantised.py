"""The demo's network, of size `nano`, in int8: to measure its speed."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import onnx

from spotlet.letterbox import ImageArray, Letterbox
from spotlet.model import locate_model
from spotlet.session import ModelSession
from spotlet_export.graph.quantisation import hidden_layers, quantise

NANO = "garments"
"""The bundled model of size `nano`, at 320 px."""


def write_nano_int8(path: Path, frames_bgr: Sequence[ImageArray]) -> Path:
    """Writes it, calibrated on frames of the demo, without the export gate.

    Args:
        path: of the file.
        frames_bgr: (H, W, 3) uint8 each.
    """
    source = locate_model(NANO)
    rule = ModelSession(source).manifest.input
    canvases = (
        Letterbox((frame.shape[0], frame.shape[1]), rule.size_hw).apply(frame)
        for frame in frames_bgr
    )
    model = onnx.load(source)
    layers = hidden_layers(model)
    with tempfile.TemporaryDirectory() as scratch:
        quantised = quantise(model, layers, list(layers), canvases, Path(scratch))
    path.write_bytes(quantised.SerializeToString())
    return path
