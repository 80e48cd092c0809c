"""Start-up cost: Spotlet beside its bare libraries, fresh processes in turn, medians.

    python benchmarks/startup.py [MODEL] [--runs 9]

Measures, from the start of the interpreter: time until the imports are done, time until the
first detection in a 720p frame, and peak memory by then (Linux only); and the medians of each
round's ratio to bare onnxruntime. `MODEL` is as `spotlet run` takes it.
"""

import argparse
import json
import platform
import statistics
from dataclasses import asdict
from functools import partial
from importlib.metadata import version

from spotlet import Detector, SessionSettings
from spotlet.bench.cold_start import BARE_PROGRAM, SPOTLET_PROGRAM, fresh_process
from spotlet.bench.turns import take_turns
from spotlet.model import locate_model
from spotlet.text.terminal import table

BARE, SPOTLET = "first detection, bare onnxruntime", "first detection, spotlet"
PROGRAMS = {
    "interpreter alone": "",
    "import numpy, cv2, onnxruntime": "import numpy, cv2, onnxruntime",
    "import spotlet": "import spotlet",
    BARE: BARE_PROGRAM,
    SPOTLET: SPOTLET_PROGRAM,
}


def main() -> None:
    """Prints a table and, in the last line, the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="garments")
    parser.add_argument("--runs", type=int, default=9)
    args = parser.parse_args()
    path = locate_model(args.model)
    canvas_hw = Detector(path).manifest.input.size_hw
    given = [str(path), asdict(SessionSettings()), 720, 1280, *canvas_hw]
    programs = {name: partial(fresh_process, each, given) for name, each in PROGRAMS.items()}
    runs = {
        name: [(seconds, peak_mb or 0.0) for seconds, peak_mb in found]
        for name, found in take_turns(programs, args.runs).items()
    }
    medians = {name: tuple(map(statistics.median, zip(*runs[name], strict=True))) for name in runs}
    rows = [(name, f"{seconds:.3f}", f"{mb:.0f}") for name, (seconds, mb) in medians.items()]
    print(table(rows, header=("from process start", "seconds", "peak MB")))
    pairs = list(zip(runs[SPOTLET], runs[BARE], strict=True))
    seconds_ratio = statistics.median(ours[0] / bare[0] for ours, bare in pairs)
    memory_ratio = statistics.median(ours[1] / (bare[1] or 1.0) for ours, bare in pairs)
    print(f"spotlet over bare onnxruntime: time {seconds_ratio:.2f}, memory {memory_ratio:.2f}")
    versions = {name: version(name) for name in ("numpy", "onnxruntime", "opencv-python-headless")}
    print(
        json.dumps(
            {"python": platform.python_version(), "machine": platform.machine(), **versions}
            | {name: {"seconds": float(s), "peak_mb": int(mb)} for name, s, mb in rows}
            | {"ratio": {"seconds": round(seconds_ratio, 3), "memory": round(memory_ratio, 3)}}
        )
    )


if __name__ == "__main__":
    main()
