"""Measures how Spotlet scales with sources, and each stage with frame size, objects and classes.

    PYTHONPATH=$PYTHONPATH:tests python -m benchmarks.scale [--parts files cameras stages]
        [--model MODEL] [--variant int8] [--counts 1 2 4 8] [--fps 5] [--seconds 15]
        [--frames 480] [--rounds 3] [--threads N] [--json OUT]

Run it from the repository's root, in an environment with `spotlet[export]`, on Linux.

- `files`: `spotlet run` over several 720p clips at once; frames/s and CPU of all together.
- `cameras`: as many HTTP cameras on loopback, 720p JPEGs at `--fps` each; processor time of the
  program alone, without the cost of the cameras.
- `stages`: each stage alone, on synthetic tensors; the exponent of the power law in the size, over
  all sizes and over the last two, for the time beyond that without objects. Over 1.1 is not linear;
  a last step over it can also mean that a frame or a tensor no longer fits into a cache.

The default model is `nano` at 320 px in int8, made here from the demo's network.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.clip import demo_frames
from benchmarks.peers.machine import machine_record
from benchmarks.peers.quantised import write_nano_int8
from benchmarks.scaling.law import LINEAR, exponent, last_exponent
from benchmarks.scaling.sources import measure_cameras, measure_files
from benchmarks.scaling.stages import Row, measure_stages

from spotlet.atomic import atomic_file
from spotlet.model import locate_model
from spotlet.text.terminal import table

PARTS = ("files", "cameras", "stages")
CALIBRATION_FRAMES = 64


def main() -> int:
    """Prints a table for each part; returns 1 if a stage is worse than linear."""
    parser = argparse.ArgumentParser(description="measure how Spotlet scales")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--model", help="as for `spotlet run`")
    parser.add_argument("--variant", help="of a package")
    parser.add_argument("--counts", type=int, nargs="*", default=[1, 2, 4, 8], help="of sources")
    parser.add_argument("--fps", type=float, default=5.0, help="of a camera [%(default)s]")
    parser.add_argument("--seconds", type=float, default=15.0, help="to watch the cameras")
    parser.add_argument("--frames", type=int, default=480, help="of all files [%(default)s]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="as for `spotlet run`")
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    record: dict[str, Any] = {"schema": 1, "machine": machine_record()}
    worse = False
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if args.model is None:
            model = write_nano_int8(folder / "nano.int8.onnx", demo_frames(CALIBRATION_FRAMES))
        else:
            model = locate_model(args.model, args.variant)
        if "files" in args.parts:
            record["files"] = _files(model, args, folder)
        if "cameras" in args.parts:
            record["cameras"] = _cameras(model, args, folder)
    if "stages" in args.parts:
        rows = measure_stages()
        worse = _show_stages(rows)
        record["stages"] = [asdict(row) for row in rows]
    if args.json is not None:
        with atomic_file(args.json) as path:
            path.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    return 1 if worse else 0


def _files(model: Path, args: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    taken = measure_files(model, args.counts, args.frames, args.rounds, args.threads, folder)
    first = taken[args.counts[0]].frames_per_second
    rows = [
        (
            str(count),
            f"{each.frames_per_second:.0f}",
            f"{each.frames_per_second / first:.2f}",
            f"{each.cpu_milliseconds:.2f}",
            f"{each.megabytes:.0f}",
        )
        for count, each in taken.items()
    ]
    header = ("files", "total frames/s", "of the first", "CPU ms a frame", "peak MB")
    print(f"{model.name}, 720p files\n{table(rows, header=header)}\n", flush=True)
    return [{"files": count, **asdict(each)} for count, each in taken.items()]


def _cameras(model: Path, args: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    loads = [
        measure_cameras(model, count, args.fps, args.seconds, args.threads, folder)
        for count in args.counts
    ]
    rows = [
        (
            str(load.sources),
            f"{load.sent_fps:.1f}",
            f"{load.frames_per_second:.1f}",
            str(load.dropped),
            f"{load.cores:.2f}",
            f"{load.oldest_ms:.0f}",
        )
        for load in loads
    ]
    header = (
        "cameras", "sent a second", "processed a second", "dropped", "cores", "oldest result, ms",
    )  # fmt: skip
    title = f"{model.name}, 720p cameras at {args.fps:g} frames/s each"
    print(f"{title}\n{table(rows, header=header)}\n", flush=True)
    return [asdict(load) for load in loads]


def _show_stages(rows: Sequence[Row]) -> bool:
    """Prints a table for each axis; returns whether a stage is worse than linear."""
    worse = False
    for axis in dict.fromkeys(row.axis for row in rows):
        of_axis = [row for row in rows if row.axis == axis]
        lines = []
        for row in of_axis:
            whole, last = exponent(*row.grown), last_exponent(*row.grown)
            verdict = "no" if whole > LINEAR else "not the last step" if last > LINEAR else "yes"
            worse |= whole > LINEAR
            lines.append(
                (
                    row.stage,
                    *(f"{cost:.0f}" for cost in row.microseconds),
                    f"{whole:.2f}",
                    f"{last:.2f}",
                    verdict,
                )
            )
        header = (
            f"µs a frame, by {axis}", *of_axis[0].labels, "exponent", "last step", "linear or less",
        )  # fmt: skip
        print(f"{table(lines, header=header)}\n", flush=True)
    return worse


if __name__ == "__main__":
    sys.exit(main())
