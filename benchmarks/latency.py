"""Measures one inference of several models in turn, in milliseconds and relative to the first.

    python -m benchmarks.latency YARDSTICK MODEL [MODEL ...] [--threads 1]

A model is an `.onnx` file of any project with one image as its input, or a model as for
`spotlet run`. Batch 1, onnxruntime on the CPU, medians. Work that a graph leaves to the host, such
as decoding a frame or suppressing duplicates, is not included.
"""

import argparse
from pathlib import Path

from benchmarks.peers.graphs import count_parameters, median_milliseconds

from spotlet.model import locate_model
from spotlet.text.terminal import table


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", help="the first is the yardstick")
    parser.add_argument("--threads", type=int, default=1, help="of one inference [%(default)s]")
    args = parser.parse_args()
    graphs = {model: Path(locate_model(model)) for model in args.models}
    times = median_milliseconds(graphs, args.threads)
    first = times[args.models[0]]
    rows = [
        (
            model,
            f"{count_parameters(path) / 1e6:.2f} M",
            f"{times[model]:.2f}",
            f"{times[model] / first:.2f}",
        )
        for model, path in graphs.items()
    ]
    print(table(rows, header=("model", "weights", "ms", "of the first")))


if __name__ == "__main__":
    main()
