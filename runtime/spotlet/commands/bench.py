"""`spotlet bench`: what a model costs on this machine, and which of its files is faster."""

import argparse
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import onnxruntime as ort

from spotlet.bench.cold_start import ColdStart, measure_cold_start
from spotlet.bench.frames import Frames, generated_frames, source_frames
from spotlet.bench.int8_gain import int8_pair, measure_int8_gain
from spotlet.bench.stages import Benchmark, measure
from spotlet.commands.options import add_model_arguments, add_session_arguments, session_settings
from spotlet.cores import usable_cores
from spotlet.detector import Detector
from spotlet.errors import UsageError
from spotlet.manifest import NO_TILES
from spotlet.model.package import locate_model
from spotlet.model.processor import cpu_name, int8_instructions
from spotlet.model.providers import CPU_PROVIDER
from spotlet.pipeline import Workers, plan_workers
from spotlet.text.terminal import table

SCHEMA = 1
"""The version of the JSON."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_model_arguments(parser)
    parser.add_argument(
        "source",
        nargs="?",
        help="a video, an image, a folder or a glob of images [generated 720p frames]",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=3.0,
        metavar="S",
        help="seconds for each measurement [%(default)g]",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    add_session_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Prints a table of the stages, and of a package with an int8 file which file to run.

    Raises:
        SpotletError: the model or the source cannot be used.
    """
    if not 0 < args.seconds < float("inf"):
        raise UsageError(f"--seconds {args.seconds:g}: must be over 0")
    path = locate_model(args.model, args.variant)
    frames: Frames = generated_frames if args.source is None else source_frames(args.source)
    found: dict[str, Any] = {"schema": SCHEMA, "model": str(path), "source": args.source}
    found["machine"] = _machine()
    settings = session_settings(args)
    detector = Detector(path, tiles=NO_TILES, session=settings)
    tiles = detector.manifest.tiles
    use = detector.session.provider_use
    cpu = use.got == CPU_PROVIDER
    workers = plan_workers(settings.threads, sources=1, live=False) if cpu else Workers()
    measured = measure(detector, frames, workers, args.seconds)
    cold = measure_cold_start(
        path,
        settings,
        frame_hw=measured.size_hw,
        canvas_hw=detector.manifest.input.size_hw,
        seconds=args.seconds,
    )
    pair = int8_pair(path) if cpu else None
    gain = None if pair is None else measure_int8_gain(*pair)
    found |= {
        "provider": use.got,
        "provider_asked": use.asked,
        "provider_nodes": use.nodes,
        "provider_fallback": use.fallback,
        "settings": asdict(settings),
        "workers": workers.count,
        **asdict(measured),
        "cold_start": asdict(cold),
        "int8_gain": None if gain is None else asdict(gain),
    }
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    _print(found, measured, cold)
    if tiles:
        print(f"one inference a frame; `run` cuts it into tiles ({tiles.layout}), each another one")
    if gain is not None:
        print(f"{gain}; the network alone, {gain.threads} thread\n{gain.advice}")
    if use.asked != CPU_PROVIDER:
        print(f"provider: {use.text}")
    return 0


def _machine() -> dict[str, Any]:
    return {
        "cpu": cpu_name(),
        "int8_instructions": int8_instructions(),
        "cores": usable_cores(),
        "python": platform.python_version(),
        "spotlet": metadata.version("spotlet"),
        "onnxruntime": ort.__version__,
        "opencv": cv2.__version__,
    }


def _print(found: Mapping[str, Any], measured: Benchmark, cold: ColdStart) -> None:
    height, width = measured.size_hw
    machine = found["machine"]
    print(
        f"{Path(found['model'])}, {width} x {height} frames, {found['provider']}, "
        f"onnxruntime {machine['onnxruntime']}\n{machine['cpu']}, {machine['cores']} cores"
    )
    rows = [
        (name, *(f"{value:.3f}" for value in (times.p50, times.p95, times.p99)), times.frames)
        for name, times in measured.stages.items()
    ]
    print(table(rows, header=("ms a frame", "p50", "p95", "p99", "frames")))
    mb = [None if each is None else f"{each:.0f} MB" for each in (cold.peak_mb, cold.bare_peak_mb)]
    rows = [
        ("one frame at a time", f"{measured.rate:.1f} frames/s"),
        ("bare session", f"{measured.bare_rate:.1f} calls/s, ratio {measured.ratio:.3f}"),
        (f"{found['workers']} at a time, as run does", f"{measured.crew_rate:.1f} frames/s"),
        ("processor", f"{measured.cpu_seconds * 1000:.2f} ms a frame"),
        ("CPU used while waiting for a frame", f"{measured.idle_cpu:.3f} of a core"),
        (
            "start to first detection",
            f"{cold.seconds:.3f} s, bare {cold.bare_seconds:.3f} s, "
            f"ratio {cold.seconds / cold.bare_seconds:.2f}",
        ),
        ("peak memory then", "unknown" if mb[0] is None else f"{mb[0]}, bare {mb[1]}"),
    ]
    print(table(rows))
