"""Measures what collecting costs a live run: processor time a frame with and without, in turn.

    PYTHONPATH=$PYTHONPATH:tests python -m benchmarks.collecting [--model MODEL] [--fps 10]
        [--seconds 20] [--rounds 5] [--per-hour 60] [--threads N]

Run it from the repository's root, on Linux. An HTTP camera on loopback sends the demo's scenes as
720p JPEGs; its own cost is not counted. Each round has a run without, with, and with `--track` in
place of collecting, since collecting tracks too.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from benchmarks.scaling.sources import LiveLoad, measure_cameras

from spotlet.model import locate_model
from spotlet.text.terminal import table


def main() -> None:
    """Prints the median of each, and the median of the rounds' ratios."""
    parser = argparse.ArgumentParser(description="what collecting costs a live run")
    parser.add_argument("--model", default="garments", help="as for `spotlet run`")
    parser.add_argument("--fps", type=float, default=10.0, help="of the camera [%(default)g]")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a run [%(default)g]")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--per-hour", type=float, default=60.0, help="frames to keep [%(default)g]")
    parser.add_argument("--threads", type=int, default=0, help="as for `spotlet run`")
    args = parser.parse_args()
    model = locate_model(args.model)
    loads: dict[str, list[LiveLoad]] = {"without": [], "--collect": [], "--track": []}
    for number in range(args.rounds):
        for name, taken in loads.items():
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary)
                options = {
                    "without": [],
                    "--collect": [
                        f"--collect={folder / 'set'}",
                        f"--collect-per-hour={args.per_hour}",
                    ],
                    "--track": ["--track"],
                }[name]
                load = measure_cameras(
                    model, 1, args.fps, args.seconds, args.threads, folder, options
                )
                taken.append(load)
                kept = len(list(folder.glob("set/images/*.jpg")))
                print(
                    f"round {number + 1}, {name}: {_cpu_ms(load):.2f} ms a frame, {kept} kept",
                    flush=True,
                )
    rows = []
    for name, taken in loads.items():
        ratios = [
            _cpu_ms(one) / _cpu_ms(plain)
            for one, plain in zip(taken, loads["without"], strict=True)
        ]
        rows.append(
            (
                name,
                f"{statistics.median(map(_cpu_ms, taken)):.2f}",
                f"{statistics.median(ratios):.3f}",
                f"{statistics.median(each.frames_per_second for each in taken):.1f}",
                str(sum(each.dropped for each in taken)),
            )
        )
    header = ("medians", "CPU ms a frame", "ratio", "frames/s", "dropped in all")
    print(table(rows, header=header))


def _cpu_ms(load: LiveLoad) -> float:
    return 1000 * load.cores / load.frames_per_second


if __name__ == "__main__":
    main()
