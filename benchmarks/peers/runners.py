"""Participants in the comparison of whole programs, and their command lines for a clip."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers.environment import Environment

LOOPS = Path(__file__).with_name("loops.py")
WITH_THREADS = Path(__file__).with_name("with_threads.py")

LOOP_NAMES = {
    "onnxruntime": "bare onnxruntime loop",
    "opencv": "OpenCV DNN loop",
    "openvino": "OpenVINO loop",
    "supervision": "supervision loop, draws",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """A program that detects objects in a clip and prints a line for every frame.

    Attributes:
        name: its name in the table.
        graph: the ONNX file that it runs.
        command: the program and its arguments, for a clip.
        first: text that only the first frame's line contains.
        objects: regular expression; a match is one object, or, if it has a group, as many as
            the group says.
        variables: added to its environment.
    """

    name: str
    graph: Path
    command: Callable[[Path], list[str | Path]]
    first: str
    objects: str
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A network in both layouts, and its detection rule.

    Attributes:
        ours: Spotlet's file.
        theirs: the same network in the peers' layout.
        side: of the square canvas, pixels.
        score_threshold: least score kept.
        iou_threshold: overlap that suppression allows.
    """

    ours: Path
    theirs: Path
    side: int
    score_threshold: float
    iou_threshold: float


def spotlet_runner(name: str, graph: Path, thresholds: tuple[float, float], threads: int) -> Runner:
    """Returns `spotlet run`, which prints its detections as NDJSON on standard output."""

    def command(clip: Path) -> list[str | Path]:
        return [
            sys.executable, "-m", "spotlet", "run", graph, clip, "--ndjson", "-",
            "--score", str(thresholds[0]), "--iou", str(thresholds[1]),
            "--threads", str(threads),
        ]  # fmt: skip

    return Runner(
        name=_with_threads(name, threads),
        graph=graph,
        command=command,
        first='"frame":0,',
        objects='"class":',
    )


def ultralytics_runner(environment: Environment, task: Task, threads: int) -> Runner:
    """Returns `yolo predict` without saving pictures, which prints its counts for every frame.

    Source: https://docs.ultralytics.com/usage/cfg/. It has no option for onnxruntime's threads.
    """
    launcher: list[str | Path] = [WITH_THREADS, str(threads)] if threads else []

    def command(clip: Path) -> list[str | Path]:
        words: list[str | Path] = [
            "yolo", "detect", "predict", f"model={task.theirs}", f"source={clip}",
            f"imgsz={task.side}", f"conf={task.score_threshold}", f"iou={task.iou_threshold}",
            "save=False", "device=cpu",
        ]  # fmt: skip
        return environment.command(words, launcher)

    return Runner(
        name=_with_threads("Ultralytics predict", threads),
        graph=task.theirs,
        command=command,
        first="(frame 1/",
        objects=r"(?:\d+x\d+|,) (\d+) (?=[^\d\s])",
        variables=environment.variables | {"PYTHONUNBUFFERED": "1"},
    )


def loop_runner(environment: Environment, task: Task, engine: str, threads: int) -> Runner:
    """Returns one of the loops of `loops.py`."""

    def command(clip: Path) -> list[str | Path]:
        words: list[str | Path] = [
            LOOPS, engine, task.theirs, clip, "--side", str(task.side),
            "--score", str(task.score_threshold), "--iou", str(task.iou_threshold),
            "--threads", str(threads),
        ]  # fmt: skip
        return environment.command(words)

    return Runner(
        name=_with_threads(LOOP_NAMES[engine], threads),
        graph=task.theirs,
        command=command,
        first="frame 0:",
        objects=r"frame \d+: (\d+) objects",
        variables=environment.variables,
    )


def _with_threads(name: str, threads: int) -> str:
    return f"{name}, {threads} threads" if threads else name
