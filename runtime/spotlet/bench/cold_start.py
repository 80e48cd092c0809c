"""Cold start: from the start of a process to its first detection, and its peak memory by then.

Of Spotlet and of the bare libraries, in fresh processes that take turns.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from spotlet.bench.turns import take_turns
from spotlet.errors import ModelFileError
from spotlet.session import SessionSettings

MOST_RUNS = 15
"""More runs do not change the medians."""

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
try:
    peak = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
except OSError:
    peak = []
print("done", *peak, flush=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """The cost of the first detection, medians over fresh processes.

    Attributes:
        seconds: from the start of the process to the first detection.
        bare_seconds: the same with the bare libraries on the CPU.
        peak_mb: peak memory by then, MiB; None if the system does not report it (Linux does).
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
    """Returns the cost of the first detection, of Spotlet and of the bare libraries in turn.

    Args:
        path: of the model file.
        settings: of Spotlet's session; the bare one takes only its threads.
        frame_hw: height and width of the frame, pixels.
        canvas_hw: height and width that the network takes, pixels.
        seconds: after which no more processes start; each program runs at least once.

    Raises:
        ModelFileError: a fresh process cannot run the model.
    """
    given = [str(path), asdict(settings), *frame_hw, *canvas_hw]
    start = partial(fresh_process, given=given)
    programs = {"ours": partial(start, SPOTLET_PROGRAM), "bare": partial(start, BARE_PROGRAM)}
    ours, bare = take_turns(programs, MOST_RUNS, seconds).values()
    peaks = [[mb for _, mb in runs if mb is not None] for runs in (ours, bare)]
    return ColdStart(
        seconds=statistics.median(each for each, _ in ours),
        bare_seconds=statistics.median(each for each, _ in bare),
        peak_mb=statistics.median(peaks[0]) if peaks[0] else None,
        bare_peak_mb=statistics.median(peaks[1]) if peaks[1] else None,
    )


def fresh_process(program: str, given: Sequence[object]) -> tuple[float, float | None]:
    """Returns the seconds until a new Python process is done, and its peak memory in MiB.

    Args:
        program: Python code.
        given: its argument, passed as JSON; the first item is the path of the model file.

    Raises:
        ModelFileError: the program fails.
    """
    command = [sys.executable, "-c", program + REPORT, json.dumps(given)]
    started = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            done = process.stdout.readline().split()
            seconds = time.perf_counter() - started
            _, errors = process.communicate()
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0 or done[:1] != ["done"]:
        why = errors.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        raise ModelFileError(f"{given[0]}: cannot run in a fresh process ({why[0]})")
    return seconds, int(done[1]) / 1024 if len(done) > 1 else None
