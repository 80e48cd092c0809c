"""Cold start: from the start of a process to its first detection, and its peak memory then.

Both Spotlet's and that of the bare libraries, in fresh processes that take turns.
"""

import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from spotlet.errors import ModelFileError
from spotlet.session import SessionSettings

MOST_RUNS = 15
"""More tell nothing new."""

SPOTLET_PROGRAM = """
import json, sys
import numpy
from spotlet import Detector, SessionSettings
path, settings, height, width = json.loads(sys.argv[1])[:4]
detector = Detector(path, session=SessionSettings(**settings))
detector(numpy.zeros((height, width, 3), numpy.uint8))
"""

BARE_PROGRAM = """
import json, sys
import cv2, numpy, onnxruntime
path, settings, height, width, canvas_height, canvas_width = json.loads(sys.argv[1])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = settings["threads"]
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
frame = numpy.zeros((height, width, 3), numpy.uint8)
canvas = cv2.resize(frame, (canvas_width, canvas_height))
session.run(None, {session.get_inputs()[0].name: canvas[None]})
"""

# Linux's own figure, not getrusage, whose peak includes the parent's from before the start.
REPORT = """
print("detected", flush=True)
try:
    lines = open("/proc/self/status").read().splitlines()
    print(*[int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")])
except OSError:
    print()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """What the first detection takes, medians of fresh processes.

    Attributes:
        seconds: from the start of the process to the first detection.
        bare_seconds: the same with the bare libraries on the CPU.
        peak_mb: memory then, MiB; None where the system does not say (it is Linux that does).
        bare_peak_mb: the same with the bare libraries.
    """

    seconds: float
    bare_seconds: float
    peak_mb: float | None
    bare_peak_mb: float | None


def measure_cold_start(
    path: Path,
    settings: SessionSettings,
    *,
    frame_hw: tuple[int, int],
    canvas_hw: tuple[int, int],
    seconds: float,
) -> ColdStart:
    """Returns what the first detection takes, of Spotlet and of the bare libraries in turn.

    Args:
        path: of the model file.
        settings: of Spotlet's session; the bare one takes the threads of it.
        frame_hw: height and width of the frame, pixels.
        canvas_hw: height and width that the network takes, pixels.
        seconds: after which no more processes are started; there is one of each at least.

    Raises:
        ModelFileError: a fresh process cannot run the model.
    """
    given = json.dumps([str(path), asdict(settings), *frame_hw, *canvas_hw])
    ours: list[tuple[float, float | None]] = []
    bare: list[tuple[float, float | None]] = []
    until = time.perf_counter() + seconds
    while not ours or (len(ours) < MOST_RUNS and time.perf_counter() < until):
        ours.append(_start(SPOTLET_PROGRAM, given, path))
        bare.append(_start(BARE_PROGRAM, given, path))
    return ColdStart(
        seconds=statistics.median(each for each, _ in ours),
        bare_seconds=statistics.median(each for each, _ in bare),
        peak_mb=_median([memory for _, memory in ours]),
        bare_peak_mb=_median([memory for _, memory in bare]),
    )


def _start(program: str, given: str, path: Path) -> tuple[float, float | None]:
    """Returns the seconds until a program has detected, and its peak memory in MiB."""
    command = [sys.executable, "-c", program + REPORT, given]
    started = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            first = process.stdout.readline()
            seconds = time.perf_counter() - started
            # Not communicate(), which does not see what is buffered already.
            rest, errors = process.stdout.read(), process.stderr.read()
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0 or first.strip() != "detected":
        why = errors.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        raise ModelFileError(f"{path}: cannot be run in a fresh process ({why[0]})")
    return seconds, float(rest) if rest.strip() else None


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
