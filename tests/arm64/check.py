"""Checks on ARM64, real or emulated, that the bundled packages compute what they must.

`make test-arm64` runs it. On x86-64 it makes an emulated Debian (`build_root.sh`), runs spotlet's
wheel there, and compares the detections in frames of the demo's clip with this machine's. On an
ARM64 machine it checks that machine; nothing is at hand there to compare detections with, and
`make test` runs the tests.
"""

import argparse
import os
import platform
import shlex
import subprocess
import sys
from importlib import resources
from pathlib import Path

import cv2
from arm64.lines import compare_lines
from arm64.machine import Machine, run_steps

from spotlet import open_stream
from spotlet.cli import main as spotlet
from spotlet.model.package import bundled_models

HERE = Path(__file__).parent

SKIPPED = 77
"""Exit code of `build_root.sh` where an emulated machine cannot be made."""

BUILD_SECONDS = 1200
FRAMES = 20

TESTS = (
    "test_letterbox",
    "check/test_resizes",
    "test_boxes",
    "test_detections",
    "check/test_agreement",
    "check/test_records",
    "test_postprocess",
    "test_manifest",
)
"""Of `tests/runtime`: the core's, which need seconds there and not minutes."""


def main() -> int:
    """Prints what was found; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(".cache/arm64"))
    parser.add_argument("--cpu", nargs="+", default=["cortex-a72"], help="names that QEMU knows")
    args = parser.parse_args()
    cache = args.cache.resolve()
    system = platform.system(), platform.machine()
    if system == ("Linux", "aarch64"):
        return check_this_machine(cache)
    if system != ("Linux", "x86_64"):
        return skip(f"{' '.join(system)} can neither be nor emulate ARM64 here")
    built = subprocess.run(
        [HERE / "build_root.sh", cache, sys.executable],
        stdout=subprocess.PIPE, text=True, timeout=BUILD_SECONDS,
    )  # fmt: skip
    if built.returncode == SKIPPED:
        return skip(built.stdout.strip())
    built.check_returncode()
    frames = write_frames(cache / "frames")
    wanted = cache / "x86-64.ndjson"
    code = spotlet(["run", "garments", str(frames), "--ndjson", str(wanted)])
    return code or max([check_emulated(cpu, cache, frames, wanted) for cpu in args.cpu])


def skip(why: str) -> int:
    """Prints why nothing is checked; returns 0: a skip does not fail."""
    print(f"test-arm64: skipped: {why}")
    return 0


def check_this_machine(cache: Path) -> int:
    """Checks the packages where this program runs; returns the exit code."""
    machine = Machine("this machine", Path(sys.executable), dict(os.environ), cache / "native")
    print("test-arm64: on this machine; no x86-64 at hand to compare detections with")
    return 0 if run_steps(machine, ["doctor", *check_steps()]) else 1


def check_emulated(cpu: str, cache: Path, frames: Path, wanted: Path) -> int:
    """Checks packages, detections and the core's tests on an emulated processor.

    Args:
        cpu: QEMU's name of it.
        cache: what `build_root.sh` filled.
        frames: the pictures to detect in.
        wanted: what this machine found in them, NDJSON.

    Returns:
        The exit code.
    """
    folder = cache / cpu
    environment = {
        "HOME": str(folder),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
        "LANG": "C.UTF-8",
        "PATH": os.defpath,
        "PYTHONNOUSERSITE": "1",
        "PYTHONPATH": str(cache / "site"),
        "QEMU_CPU": cpu,
    }
    machine = Machine(cpu, cache / "root/usr/bin/python-arm64", environment, folder)
    found = folder / "found.ndjson"
    tests = [f"pytest tests/runtime/{name}.py -q -p no:cacheprovider" for name in TESTS]
    run = shlex.join(["run", "garments", str(frames), "--ndjson", str(found), "--threads", "1"])
    passed = run_steps(machine, [*check_steps(), run, *reversed(tests), "doctor"])
    if not found.is_file():
        return 1
    compared = compare_lines(wanted, found)
    verdict = "; ".join(["FAIL", *compared.faults]) if compared.faults else "the same objects"
    print(
        f"{cpu}: detections as on x86-64: {verdict}; {compared.objects} objects compared in "
        f"{compared.frames} frames, boxes within {compared.box:.2f} px, scores {compared.score:.4f}"
    )
    return 0 if passed and not compared.faults else 1


def check_steps() -> list[str]:
    """Returns the steps that check the bundled packages, the largest canvas first."""
    return [f"check {name} --threads 1" for name in sorted(bundled_models(), reverse=True)]


def write_frames(folder: Path) -> Path:
    """Writes frames of the demo's clip as PNG: decoding MP4 is not the same on all processors."""
    folder.mkdir(parents=True, exist_ok=True)
    clip = Path(str(resources.files("spotlet_models"))) / "demo" / "clip.mp4"
    with open_stream(clip) as stream:
        for frame in stream:
            if frame.index == FRAMES:
                break
            cv2.imwrite(str(folder / f"{frame.index:03}.png"), frame.image)
    return folder


if __name__ == "__main__":
    sys.exit(main())
