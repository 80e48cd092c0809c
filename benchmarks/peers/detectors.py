"""Detectors of any kind as functions of a frame: models of the runtime, and runners."""

import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.peers import empty_runner as empty_program
from benchmarks.peers import turns

from spotlet import Detector
from spotlet.letterbox import ImageArray
from spotlet.model import locate_model
from spotlet.model.files import is_file
from spotlet.runner import Runner
from spotlet.session import SessionSettings
from spotlet_training.evaluation.evaluation import COCO_RULE, Detect

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS"), "1")
"""For the libraries of runners; the limit holds even if one asks for more, as ncnn does."""

WARM_UP = 3
"""Frames of a turn that are not timed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A detector to compare.

    Attributes:
        name: in the table.
        about: what computes it.
        class_names: its classes; the index is the class id.
        size_bytes: of its files.
        find: finds objects of every score and class, for AP.
        show: finds objects at its own score threshold, as on a device.
    """

    name: str
    about: str
    class_names: tuple[str, ...]
    size_bytes: int
    find: Detect
    show: Detect


def opened_model(name: str, model: str) -> Program:
    """Returns a model, on one thread.

    Args:
        name: in the table.
        model: as for `spotlet run`, or MODEL:VARIANT.

    Raises:
        ModelFileError: it cannot be used.
    """
    path, _, variant = model.partition(":")
    file = locate_model(path, variant or None)
    detector = Detector(file, session=SessionSettings(threads=1))
    rule = replace(COCO_RULE, iou_threshold=detector.rule.iou_threshold)
    return Program(
        name=name,
        about=f"{model}, onnxruntime",
        class_names=detector.class_names,
        size_bytes=file.stat().st_size,
        find=lambda frame: detector.found_in(detector.outputs(frame), rule),
        show=detector,
    )


def opened_runner(name: str, command: str, stack: ExitStack) -> Program:
    """Returns a running program; the stack ends it.

    Raises:
        UsageError: the command cannot be split.
        RunnerError: the program cannot be started.
    """
    runner = stack.enter_context(Runner(command))
    return Program(
        name=name,
        about=runner.name,
        class_names=runner.class_names,
        size_bytes=named_bytes(command),
        find=lambda frame: runner.find(frame, COCO_RULE.score_threshold),
        show=lambda frame: runner.find(frame, runner.score_threshold),
    )


def named_bytes(command: str) -> int:
    """Returns the size of the files among a command's arguments, Python scripts left out."""
    paths = map(Path, shlex.split(command)[1:])
    return sum(path.stat().st_size for path in paths if path.suffix != ".py" and is_file(path))


def empty_runner(stack: ExitStack) -> Program:
    """Returns a runner that computes nothing, without a name in the table."""
    return opened_runner("", shlex.join([sys.executable, empty_program.__file__]), stack)


def median_milliseconds(
    programs: Sequence[Program], frames: Sequence[ImageArray], rounds: int
) -> dict[str, float]:
    """Returns the time from a frame to its detections, by name; the programs take turns.

    Args:
        programs: with different names.
        frames: of a turn, BGR.
        rounds: turns of each.
    """
    calls = {
        program.name: [partial(program.show, frame) for frame in frames] for program in programs
    }
    return turns.median_milliseconds(calls, warm_up=WARM_UP, rounds=rounds)
