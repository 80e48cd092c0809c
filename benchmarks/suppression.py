"""Measures milliseconds from a canvas to detections: suppression in the runtime and in the graph.

    python -m benchmarks.suppression MODEL [MODEL ...] [--threads 1] [--score T]

A model is as for `spotlet run`; its file with suppression in the graph is made on the fly. In
turn over the same canvases, the golden frames and the synthetic ones, one at a time, on the CPU:
the network alone, the network and the runtime's suppression, the graph including suppression.
Medians over all, and the ratio of the last two.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from spotlet.detector import Detector, Outputs

# After spotlet, which turns onnxruntime's telemetry off.
# isort: split
import onnxruntime as ort

from spotlet.check.probe import synthetic_canvases
from spotlet.image_files import read_image
from spotlet.manifest import METADATA_KEY
from spotlet.model import locate_model
from spotlet.model.opening import session_options
from spotlet.model.package import GOLDEN_FOLDER
from spotlet.session import SessionSettings
from spotlet.text.terminal import table
from spotlet_export.graph.suppression import manifest_of, with_suppression

ROUNDS = 40


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--threads", type=int, default=1, help="of one inference [%(default)s]")
    parser.add_argument("--score", type=float, help="threshold, instead of the model's own")
    args = parser.parse_args()
    settings = SessionSettings(threads=args.threads)
    rows = [measure(model, settings, args.score) for model in args.models]
    header = ("model", "found a canvas", "network ms", "+ runtime", "end-to-end", "ratio")
    print(table(rows, header=header))


def measure(model: str, settings: SessionSettings, score: float | None) -> tuple[str, ...]:
    """Returns a model's row: the three medians, in milliseconds, and the ratio."""
    path = locate_model(model)
    source = Detector(path, score_threshold=score, session=settings)
    letterbox = source.manifest.input.letterbox(source.manifest.input.size_hw)
    size_hw = source.manifest.input.size_hw
    pictures = [read_image(file) for file in sorted((path.parent / GOLDEN_FOLDER).glob("*.png"))]
    frames = [source.letterbox(picture).apply(picture) for picture in pictures]
    canvases = [canvas[np.newaxis] for canvas in (*frames, *synthetic_canvases(size_hw))]
    graph = onnx.load(path)
    manifest = replace(manifest_of(graph), detection=source.rule)
    onnx.helper.set_model_props(graph, {METADATA_KEY: manifest.to_json()})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "end2end.onnx"
        file.write_bytes(with_suppression(graph).SerializeToString())
        suppressing = ort.InferenceSession(file, session_options(settings))
    name = manifest.input.name
    found = []

    def in_runtime(canvas: np.ndarray) -> None:
        boxes, scores = source.session.run(canvas)
        found.append(len(source.found_in(Outputs(letterbox, canvas[0], boxes[0], scores[0]))))

    network, runtime, end_to_end = medians_in_turn(
        [
            lambda canvas: source.session.run(canvas),
            in_runtime,
            lambda canvas: suppressing.run(None, {name: canvas}),
        ],
        canvases,
    )
    return (
        model,
        f"{np.mean(found):.1f}",
        f"{network:.2f}",
        f"{runtime:.2f}",
        f"{end_to_end:.2f}",
        f"{end_to_end / runtime:.2f}",
    )


def medians_in_turn(
    works: list[Callable[[np.ndarray], object]], canvases: list[np.ndarray]
) -> list[float]:
    """Returns the median milliseconds of each task over all canvases, one after the other."""
    times: list[list[float]] = [[] for _ in works]
    for round_number in range(ROUNDS + 1):
        for canvas in canvases:
            for work, mine in zip(works, times, strict=True):
                started = time.perf_counter()
                work(canvas)
                if round_number:  # the first warms up
                    mine.append(1000 * (time.perf_counter() - started))
    return [float(np.median(mine)) for mine in times]


if __name__ == "__main__":
    main()
