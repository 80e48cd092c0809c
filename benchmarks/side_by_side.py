"""Compares `spotlet run` with other programs on one clip: whole programs, alternating.

    python -m benchmarks.side_by_side --work DIR [--json OUT] [--markdown OUT] [--plot PNG]
        [--bouts cells pcb yolo26n tools] [--peers ultralytics onnxruntime opencv ...]
        [--yolo FILE] [--training JSON] [--rounds 3] [--frames 240] [--threads 2] [--cache DIR]

Run it from the repository's root, in an environment with `spotlet[export]`. Four bouts:

- `cells`, `pcb`: that bundled network in float32, rewritten into the layout that the peers read
  (`benchmarks.peers.graphs`), with the thresholds of its manifest.
- `yolo26n`: the leading tool's own network at 320 px, rewritten into the layout that Spotlet reads.
  The peer makes it, untrained: as slow, but it finds nothing. `--yolo` replaces it.
- `tools`: each network in its own tool: Spotlet's in float32 and int8 against YOLO26n at 320 px.

The peers, with their own choice of threads and with `--threads`: Ultralytics' `yolo predict`
(AGPL-3.0), and the usual loop around onnxruntime, OpenCV's DNN module, OpenVINO and
onnxruntime with supervision. Each is installed in its own environment below `--cache`, and
run as a program; one that cannot be installed or fails is named in the table. The clip is the
demo's, enlarged to 1280x720. Nothing else should run on the machine.

The plot shows the accuracy of the bundled models over the time of one inference, and of the
networks in a result of `benchmarks.training`, if given.
"""

import argparse
import contextlib
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import onnx
from benchmarks.clip import FRAME_HW, demo_frames, write_clip
from benchmarks.peers.accuracy_plot import draw_plot, our_points, peer_points
from benchmarks.peers.contender import ContenderError
from benchmarks.peers.environment import Environment, open_environment, open_small_environment
from benchmarks.peers.graphs import in_peer_layout, in_spotlet_layout
from benchmarks.peers.quantised import write_nano_int8
from benchmarks.peers.runners import (
    LOOP_NAMES,
    Runner,
    Task,
    loop_runner,
    spotlet_runner,
    ultralytics_runner,
)
from benchmarks.peers.side_report import Bout, as_json, as_markdown
from benchmarks.peers.steady import alternate

from spotlet.atomic import atomic_file
from spotlet.errors import SpotletError, UsageError
from spotlet.manifest import DetectionRule
from spotlet.model import locate_model
from spotlet.session import ModelSession

SHORT_FRAMES = 30
"""Of the clip with the time that is subtracted from the long one's."""

CALIBRATION_FRAMES = 64

YOLO_RULE = DetectionRule(score_threshold=0.25, iou_threshold=0.7)
"""The leading tool's own thresholds; source: https://docs.ultralytics.com/usage/cfg/."""

TITLES = {
    "cells": "the bundled `cells` (`pico`, 384 px, float32), the same network in every program",
    "pcb": "the bundled `pcb` (`pico`, 640 px, float32), the same network in every program",
    "yolo26n": "YOLO26n, 320 px, float32, the same network in every program",
    "tools": "each network in its own tool",
}


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.side_by_side", description="whole programs, side by side"
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of files and logs")
    parser.add_argument("--json", type=Path, metavar="OUT", help="file to write the figures to")
    parser.add_argument("--markdown", type=Path, metavar="OUT", help="file to write the tables to")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="accuracy over time, to write")
    parser.add_argument("--bouts", nargs="*", choices=tuple(TITLES), default=list(TITLES))
    peers = ("ultralytics", *LOOP_NAMES)
    parser.add_argument("--peers", nargs="*", choices=peers, default=list(peers))
    parser.add_argument("--yolo", type=Path, metavar="FILE", help="YOLO26n's ONNX, 320 px")
    parser.add_argument("--training", type=Path, metavar="JSON", help="of benchmarks.training")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=240, help="of the long clip [%(default)s]")
    parser.add_argument("--threads", type=int, default=2, help="of one inference [%(default)s]")
    parser.add_argument("--cache", type=Path, help="of the environments [WORK/environments]")
    parser.add_argument("--torch", default="2.13.0", help="for the peers [%(default)s]")
    parser.add_argument("--ultralytics", default="8.4.190", help="release [%(default)s]")
    parser.add_argument("--openvino", default="2026.4.1", help="release [%(default)s]")
    parser.add_argument("--supervision", default="0.31.2", help="release [%(default)s]")
    return parser.parse_args()


def main() -> int:
    """Runs the comparison; prints Markdown, and writes the requested files."""
    args = parse_arguments()
    try:
        if args.rounds < 1 or args.threads < 1 or args.frames < 2 * SHORT_FRAMES:
            raise UsageError(
                f"--rounds, --threads and --frames must be at least 1, 1 and {2 * SHORT_FRAMES}"
            )
        work = args.work.resolve()
        work.mkdir(parents=True, exist_ok=True)
        environments, missing = open_peers(args, work)
        clips = (
            write_clip(work / f"clip-{SHORT_FRAMES}.mp4", SHORT_FRAMES),
            write_clip(work / f"clip-{args.frames}.mp4", args.frames),
        )
        networks = Networks(args, work, environments)
        conditions = {
            "clip": f"{FRAME_HW[1]}x{FRAME_HW[0]}, MPEG-4",
            "frames": [SHORT_FRAMES, args.frames],
            "rounds": args.rounds,
            "threads": args.threads,
        }
        versions = {name: each.versions for name, each in environments.items()}
        bouts: list[Bout] = []
        for name in args.bouts:
            say(f"{name}: {TITLES[name]}")
            try:
                runners, yardstick = networks.runners(name)
            except ContenderError as error:
                missing[f"bout {name}"] = str(error)
                continue
            trial = alternate(
                runners, clips, args.frames - SHORT_FRAMES, args.rounds, args.threads, work, say
            )
            bouts.append(Bout(name, TITLES[name], yardstick, trial))
            # After each, so that an interrupted comparison keeps its results.
            write(args.markdown, as_markdown(bouts, missing) + "\n")
            write(args.json, as_json(bouts, missing, conditions, versions))
        print(as_markdown(bouts, missing))
        if args.plot is not None:
            plot(args, networks)
    except SpotletError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def open_peers(
    args: argparse.Namespace, work: Path
) -> tuple[dict[str, Environment], dict[str, str]]:
    """Returns the peers' environments, and why others are not available, by peer."""
    cache = args.cache or work / "environments"
    ours = own_versions()
    numpy, onnxruntime = f"numpy=={ours['numpy']}", f"onnxruntime=={ours['onnxruntime']}"
    openvino = [numpy, f"openvino=={args.openvino}"]
    supervision = [numpy, onnxruntime, f"supervision=={args.supervision}"]
    ultralytics = f"ultralytics=={args.ultralytics}"
    openers: dict[str, Callable[[], Environment]] = {
        "ultralytics": lambda: open_environment(cache, ultralytics, args.torch, [onnxruntime]),
        "onnxruntime": lambda: open_small_environment(cache, [numpy, onnxruntime]),
        "opencv": lambda: open_small_environment(cache, [numpy, onnxruntime]),
        "openvino": lambda: open_small_environment(cache, openvino),
        "supervision": lambda: open_small_environment(cache, supervision),
    }
    environments, missing = {}, {}
    for name in args.peers:
        say(f"{name}: its environment")
        try:
            environments[name] = openers[name]()
        except ContenderError as error:
            missing[name] = str(error)
            say(f"{name}: {error}")
    return environments, missing


class Networks:
    """The files that the bouts run, each written when it is first needed."""

    def __init__(
        self, args: argparse.Namespace, work: Path, environments: dict[str, Environment]
    ) -> None:
        self._args = args
        self._work = work
        self._environments = environments

    def runners(self, bout: str) -> tuple[list[Runner], str]:
        """Returns the programs of a bout, and the name of the one to compare with.

        Raises:
            ContenderError: the bout's network is not available.
        """
        threads = self._args.threads
        ours = self._own_tools() if bout == "tools" else []
        task = self._yolo() if bout in ("yolo26n", "tools") else self._bundled(bout)
        rule = (task.score_threshold, task.iou_threshold)
        theirs = []
        for name, environment in self._environments.items():
            for count in (0, threads):
                if name == "ultralytics":
                    theirs.append(ultralytics_runner(environment, task, count))
                elif bout != "tools":
                    theirs.append(loop_runner(environment, task, name, count))
        yardstick = "Ultralytics predict"
        if bout != "tools":
            ours = [spotlet_runner("spotlet run", task.ours, rule, count) for count in (0, threads)]
        if "ultralytics" not in self._environments:
            yardstick = ours[-1].name
        return [*ours, *theirs], yardstick

    def yolo(self) -> Path:
        """Returns YOLO26n's ONNX file.

        Raises:
            ContenderError: none was given, and the peer cannot make it.
        """
        if self._args.yolo is not None:
            return Path(self._args.yolo).resolve()
        file = self._work / "yolo26n.onnx"
        if not file.is_file():
            if "ultralytics" not in self._environments:
                raise ContenderError(
                    "YOLO26n needs Ultralytics; install it, or give the file as --yolo"
                )
            words = ["yolo", "export", "model=yolo26n.yaml", "format=onnx", "imgsz=320"]
            log = self._work / "yolo-export.log"
            self._environments["ultralytics"].run(words, log, folder=self._work)
        return file

    def _bundled(self, name: str) -> Task:
        ours, theirs = locate_model(name), self._work / f"{name}.peer.onnx"
        theirs.write_bytes(in_peer_layout(onnx.load(ours)).SerializeToString())
        return _task(ours, theirs)

    def _yolo(self) -> Task:
        theirs, ours = self.yolo(), self._work / "yolo26n.spotlet.onnx"
        rewritten = in_spotlet_layout(onnx.load(theirs), "yolo26n", YOLO_RULE)
        ours.write_bytes(rewritten.SerializeToString())
        return _task(ours, theirs)

    def _own_tools(self) -> list[Runner]:
        nano_int8 = write_nano_int8(self._work / "nano.int8.onnx", demo_frames(CALIBRATION_FRAMES))
        files = {
            "nano 320 px, fp32": locate_model("garments"),
            "nano 320 px, int8": nano_int8,
            "cards (pico 384 px), int8": locate_model("cards", "int8"),
            "cells (pico 384 px), int8": locate_model("cells", "int8"),
            "pcb (pico 640 px), int8": locate_model("pcb", "int8"),
        }
        runners = []
        for name, file in files.items():
            rule = ModelSession(file).manifest.detection
            thresholds = (rule.score_threshold, rule.iou_threshold)
            runners.append(
                spotlet_runner(f"spotlet run, {name}", file, thresholds, self._args.threads)
            )
        return runners


def plot(args: argparse.Namespace, networks: Networks) -> None:
    """Writes the picture of accuracy over time."""
    others = {}
    with contextlib.suppress(ContenderError):
        others["YOLO26n 320 px, fp32"] = networks.yolo()
    ours, references = our_points(args.threads, others)
    peers = {} if args.training is None else peer_points(args.training)
    conditions = f"onnxruntime, batch 1, {args.threads} threads, one inference"
    draw_plot(args.plot, ours, peers, references, conditions)


def own_versions() -> dict[str, str]:
    """Returns the versions that the peers must share, so that only the programs differ."""
    return {name: version(name) for name in ("numpy", "onnxruntime")}


def write(path: Path | None, text: str) -> None:
    """Writes a requested file."""
    if path is not None:
        with atomic_file(path) as temporary:
            temporary.write_text(text, "utf-8")


def say(text: str) -> None:
    """Reports progress on standard error; the tables go to standard output."""
    print(text, file=sys.stderr, flush=True)


def _task(ours: Path, theirs: Path) -> Task:
    manifest = ModelSession(ours).manifest
    height, width = manifest.input.size_hw
    assert height == width, "the loops support only square canvases"
    return Task(
        ours=ours,
        theirs=theirs,
        side=height,
        score_threshold=manifest.detection.score_threshold,
        iou_threshold=manifest.detection.iou_threshold,
    )


if __name__ == "__main__":
    sys.exit(main())
