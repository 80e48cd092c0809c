"""Compiles and runs the C example."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import cv2
from benchmarks.hosts.found import HostAbsentError, HostFailedError, Row

from spotlet.letterbox import ImageArray

EXAMPLE = Path(__file__).parents[2] / "examples" / "c"
INCLUDES = (EXAMPLE / "include", Path("/usr/include/onnxruntime"))
BUILD_SECONDS, RUN_SECONDS = 60, 30


def build(folder: Path) -> Path:
    """Compiles the example into a folder and returns the program.

    Raises:
        HostAbsentError: there is no C compiler, make, header, or shared library in the wheel.
        HostFailedError: it does not compile.
    """
    for program in ("cc", "make"):
        if shutil.which(program) is None:
            raise HostAbsentError(f"no {program} on this machine")
    include = next((at for at in INCLUDES if (at / "onnxruntime_c_api.h").exists()), None)
    if include is None:
        raise HostAbsentError("no onnxruntime_c_api.h: run `sh examples/c/header.sh`")
    settings = [f"PYTHON={sys.executable}", f"BUILD={folder}", f"INCLUDE={include}"]
    _run(["make", "--silent", "-C", str(EXAMPLE), *settings], BUILD_SECONDS)
    return folder / "detect"


def detect(
    program: Path, model: Path, images: Mapping[str, ImageArray], folder: Path
) -> dict[str, list[Row]]:
    """Returns the program's detections in each picture, which it reads as a PPM in `folder`.

    Raises:
        HostFailedError: it ended with an error.
    """
    found: dict[str, list[Row]] = {}
    for name, image in images.items():
        picture = folder / f"{name}.ppm"
        cv2.imwrite(str(picture), image)
        lines = _run([str(program), str(model), str(picture)], RUN_SECONDS).splitlines()
        found[name] = [_row(line) for line in lines]
    return found


def _row(line: str) -> Row:
    class_id, score, *box = line.split()
    return int(class_id), float(score), [float(side) for side in box]


def _run(command: list[str], seconds: float) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode:
        raise HostFailedError(f"{command[0]}: {done.stderr.strip()}")
    return done.stdout
