"""Measures a training step of each network in float32 and in bfloat16, in turn.

    python -m benchmarks.precision [--threads 1]

Forward and backward of a batch of eight pictures of 320 x 320, seconds, medians; the last line says
whether `--precision auto` takes bfloat16 on this processor (docs/decisions/0003).
"""

import argparse
import statistics
import time

import torch
from benchmarks.peers.machine import machine_record

from spotlet.text.terminal import table
from spotlet_training.learning.hardware import computing_in, multiplies_bfloat16
from spotlet_training.learning.learner import channels_last
from spotlet_training.network import DetectorSettings, TwoHeadDetector
from spotlet_training.network.settings import SIZES

ROUNDS = 9
BATCH, SIDE = 8, 320


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="of torch [%(default)s]")
    torch.set_num_threads(parser.parse_args().threads)
    images = torch.randint(0, 256, (BATCH, SIDE, SIDE, 3), dtype=torch.uint8)
    rows = []
    for size in SIZES:
        network = TwoHeadDetector(DetectorSettings.of_size(size, 3, (SIDE, SIDE)))
        channels_last(network).train()
        exact, half = (
            statistics.median(times)
            for times in zip(*(step_times(network, images) for _ in range(ROUNDS)), strict=True)
        )
        rows.append((size, f"{exact:.3f}", f"{half:.3f}", f"{exact / half:.2f}"))
    print(table(rows, header=("size", "float32 s", "bfloat16 s", "gain")))
    print(machine_record(), f"torch {torch.__version__}; auto: {multiplies_bfloat16()}")


def step_times(network: TwoHeadDetector, images: torch.Tensor) -> list[float]:
    """Returns the seconds of one forward and backward in float32, and in bfloat16."""
    times = []
    for dtype in (torch.float32, torch.bfloat16):
        started = time.perf_counter()
        with computing_in(dtype, torch.device("cpu")):
            raw = network.raw(images)
        torch.autograd.backward(raw.logits.mean() + raw.boxes.mean())
        times.append(time.perf_counter() - started)
    return times


if __name__ == "__main__":
    main()
