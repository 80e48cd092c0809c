"""Start-up cost: Spotlet beside its bare libraries, fresh processes in turn, medians.

    python benchmarks/startup.py [MODEL] [--runs 9]

Measures, from the start of the interpreter: time until the imports are done, time until the
first detection in a 720p frame, and peak memory then (Linux only); and the medians of each round's
ratio to bare onnxruntime. `MODEL` is as `spotlet run` takes it.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version

from spotlet.model import locate_model
from spotlet.text.terminal import table

IMPORT_LIBRARIES = "import numpy, cv2, onnxruntime"
IMPORT_SPOTLET = "import spotlet"

BARE, SPOTLET = "first detection, bare onnxruntime", "first detection, spotlet"

BARE_DETECTION = """
import cv2, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
session = onnxruntime.InferenceSession(PATH, options, providers=["CPUExecutionProvider"])
frame = cv2.resize(numpy.zeros((720, 1280, 3), numpy.uint8), (WIDTH, HEIGHT))
session.run(None, {"image": frame[None]})
"""

SPOTLET_DETECTION = """
import numpy, spotlet
spotlet.Detector(PATH)(numpy.zeros((720, 1280, 3), numpy.uint8))
"""

# Not getrusage: its peak includes the parent's, from before the new program began.
PEAK_MEMORY = """
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(line.split()[1])
"""


def main() -> None:
    """Prints a table and, in the last line, the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="garments")
    parser.add_argument("--runs", type=int, default=9)
    args = parser.parse_args()
    path = locate_model(args.model)
    from spotlet import Detector

    height, width = Detector(path).manifest.input.size_hw
    given = f"PATH, HEIGHT, WIDTH = {str(path)!r}, {height}, {width}\n"
    programs = {
        "interpreter alone": "",
        "import numpy, cv2, onnxruntime": IMPORT_LIBRARIES,
        "import spotlet": IMPORT_SPOTLET,
        BARE: given + BARE_DETECTION,
        SPOTLET: given + SPOTLET_DETECTION,
    }
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    megabytes: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(args.runs):
        for name, program in programs.items():
            started = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", program + PEAK_MEMORY],
                check=True,
                capture_output=True,
                text=True,
            )
            seconds[name].append(time.perf_counter() - started)
            megabytes[name].append(int(done.stdout) / 1024)
    rows = [
        (
            name,
            f"{statistics.median(seconds[name]):.3f}",
            f"{statistics.median(megabytes[name]):.0f}",
        )
        for name in programs
    ]
    print(table(rows, header=("from process start", "seconds", "peak MB")))
    seconds_ratio, memory_ratio = (
        statistics.median(a / b for a, b in zip(of[SPOTLET], of[BARE], strict=True))
        for of in (seconds, megabytes)
    )
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
