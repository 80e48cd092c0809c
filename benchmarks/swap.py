"""Swaps packages under load: four cameras at 10 frames/s, 20 swaps in a row, 5 of them damaged.

    PYTHONPATH=tests python benchmarks/swap.py [--mode video] [--swaps 20] [--model garments]

Two packages of one network, the second with other weights, take turns behind a link that
`spotlet run` watches; every fourth is damaged, each in another way. The cameras repeat the demo's
frames over HTTP on loopback and end by themselves, so that each frame that was sent is known. What
each package finds in each frame is recorded before, from the same cameras in the same way; each
line of the NDJSON must equal what the package of its `digest` found.

Exit code 1 if a frame is lost or mixed, a damaged package is not refused for its damage, a whole
one is, or memory after the last fifth of the swaps is over 1.05 times that after the second.
"""

import argparse
import itertools
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import onnx
from benchmarks.soak import _sample
from onnx import numpy_helper
from servers.mjpeg import MjpegServer

from spotlet import open_stream
from spotlet.check.golden import read_golden, read_golden_frame, record_golden, write_golden
from spotlet.check.probe import record_probe
from spotlet.detector import Detector
from spotlet.image_files import read_image
from spotlet.manifest import METADATA_KEY
from spotlet.model.package import bundled_models
from spotlet.text.terminal import table

FPS, CAMERAS = 10.0, 4
MOST_GROWTH = 1.2
"""Freed memory comes and goes by a tenth; ten models that stay would be half as much again."""

LIMIT_SECONDS = 120.0

LEAST_ROWS = 15
"""With fewer swaps, memory has not settled in their second fifth."""

Damage = tuple[str, str, Callable[[Path], object]]
"""Its name, a part of the reason that must be given, and what does it to a package."""


class Camera(MjpegServer):
    """Repeats pictures, and ends after a whole one when `over` is set.

    Attributes:
        over: whether to end.
        counts: whole pictures sent to each client.
    """

    def __init__(self, jpegs: Sequence[bytes], *, most: int | None = None) -> None:
        self.over = False
        self.counts: dict[int, int] = {}
        self._jpegs = jpegs
        self._most = most
        super().__init__(fps=FPS)

    def _send(self, client: socket.socket, connection: int, place: int) -> bool:
        if self.over or place == self._most:
            raise OSError
        body = self._jpegs[place % len(self._jpegs)]
        head = b"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body)
        client.sendall(head + body + b"\r\n")
        self.counts[connection] = place + 1
        return True


def main() -> int:
    """Prints a row for each swap, and the findings; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mode", choices=("video", "live"), default="video")
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--model", default="garments")
    args = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        jpegs = _jpegs()
        whole = [_package(args.model, folder / f"v{number}", number) for number in (1, 2)]
        names = {Detector(each).identity.digest: each.name for each in whole}
        expected = {Detector(each).identity.digest: _found(each, jpegs) for each in whole}
        faults = _watch(args.mode, args.swaps, folder, whole, jpegs)
        faults += _read_lines(folder / "out.ndjson", expected, names)
    print("\n".join(f"FAULT {fault}" for fault in faults) or "no fault")
    return 1 if faults else 0


def _jpegs() -> list[bytes]:
    clip = Path(str(resources.files("spotlet_models"))) / "demo" / "clip.mp4"
    with open_stream(clip) as stream:
        images = [frame.image for frame in itertools.islice(stream, 40)]
    return [cv2.imencode(".jpg", image)[1].tobytes() for image in images]


def _package(model: str, folder: Path, number: int) -> Path:
    """Writes a package of a bundled network, with other weights for each number but 1."""
    source = bundled_models()[model]
    network = onnx.load(source / "model.onnx")
    if number > 1:
        for each in network.graph.initializer:
            if len(each.dims) == 4:
                values = numpy_helper.to_array(each)
                each.CopyFrom(numpy_helper.from_array(values * values.dtype.type(0.99), each.name))
    return _write(network, source, folder)


def _write(network: onnx.ModelProto, source: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "model.onnx"
    onnx.save(network, path)
    detector = Detector(path)
    tolerance, recorded = read_golden(source / "golden", "model.onnx", detector.class_names)
    frames = {name: read_golden_frame(source / "golden", name) for name in recorded}
    entry = {
        "variant": "fp32",
        "sha256": detector.identity.sha256,
        "probe": record_probe(detector),
        "probe_tolerance": tolerance.tensors,
    }
    (folder / "parity.json").write_text(json.dumps({"schema": 2, "files": {path.name: entry}}))
    write_golden(folder / "golden", frames, {path.name: record_golden(path, frames, tolerance)})
    return folder


def _rename_classes(folder: Path) -> None:
    network = onnx.load(folder / "model.onnx")
    (entry,) = (each for each in network.metadata_props if each.key == METADATA_KEY)
    content = json.loads(entry.value)
    content["classes"] = list(reversed(content["classes"]))
    entry.value = json.dumps(content)
    _write(network, folder, folder)


def _invert_picture(folder: Path) -> None:
    picture = min((folder / "golden").glob("*.png"))
    cv2.imwrite(str(picture), 255 - read_image(picture))


def _rewrite(folder: Path, change: Callable[[bytes], bytes]) -> None:
    path = folder / "model.onnx"
    path.write_bytes(change(path.read_bytes()))


DAMAGES: tuple[Damage, ...] = (
    ("cut short", "parity.json: sha256", lambda p: _rewrite(p, lambda b: b[: len(b) // 2])),
    (
        "a flipped byte",
        "parity.json: sha256",
        lambda p: _rewrite(p, lambda b: b[:-9] + b"!" + b[-8:]),
    ),
    ("another golden frame", "the picture is not the export's", _invert_picture),
    ("no record", "has no parity.json", lambda p: (p / "parity.json").unlink()),
    ("other classes", "its classes are", _rename_classes),
)


@contextmanager
def _run(folder: Path, *words: object) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "spotlet", "run", *map(str, words), "--threads", "2"]
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _found(package: Path, jpegs: Sequence[bytes]) -> list[Any]:
    """Returns what a package finds in each picture, by the program itself."""
    lines = package.parent / f"{package.name}.ndjson"
    with (
        Camera(jpegs, most=len(jpegs)) as camera,
        _run(package.parent, package, camera.url, "--mode", "video", "--ndjson", lines) as process,
    ):
        process.wait(LIMIT_SECONDS)
    return [each["detections"] for each in _events(lines) if "event" not in each]


def _watch(
    mode: str, swaps: int, folder: Path, whole: Sequence[Path], jpegs: Sequence[bytes]
) -> list[str]:
    """Runs the program during the swaps; prints them, and returns what went wrong."""
    link, lines, faults, rows = folder / "current", folder / "out.ndjson", list[str](), []
    link.symlink_to(whole[0])
    damages, running = itertools.cycle(DAMAGES), 0
    with ExitStack() as stack:
        cameras = [stack.enter_context(Camera(jpegs)) for _ in range(CAMERAS)]
        urls = [camera.url.replace("/door", f"/door{n}") for n, camera in enumerate(cameras)]
        words = (link, *urls, "--mode", mode, "--retries", "0", "--ndjson", lines)
        process = stack.enter_context(_run(folder, *words))
        time.sleep(5.0)
        for number in range(1, swaps + 1):
            package, damage = whole[1 - running], next(damages) if number % 4 == 0 else None
            if damage is None:
                running = 1 - running
            else:
                copied = folder / f"damaged{number}"
                subprocess.run(["cp", "-r", package, copied], check=True)
                damage[2](package := copied)
            staged = folder / "staged"
            staged.symlink_to(package)
            began = time.monotonic()
            staged.rename(link)
            event = _wait_for_event(lines, number, process)
            seconds = time.monotonic() - began
            time.sleep(3.0)  # until the memory of the one before is free
            megabytes = _sample(process.pid, 0.0).megabytes
            what = "whole" if damage is None else damage[0]
            rows.append((number, what, event["state"], f"{seconds:.1f}", f"{megabytes:.1f}"))
            print(*rows[-1], event["reason"] or "", flush=True)
            wanted = ("loaded", "") if damage is None else ("refused", damage[1])
            if event["state"] != wanted[0] or wanted[1] not in (event["reason"] or ""):
                faults.append(f"swap {number}, {what}: {event['state']}, {event['reason']}")
        for camera in cameras:
            camera.over = True
        process.wait(LIMIT_SECONDS)
        sent = [max(camera.counts.values()) for camera in cameras]
    print(table([[*map(str, row)] for row in rows], ("swap", "package", "result", "s", "MB")))
    frames = [each for each in _events(lines) if "event" not in each]
    dropped = sum(each["dropped"] for each in frames)
    lost = sum(sent) - len(frames) - dropped
    print(
        f"{mode}: {sum(sent)} frames sent, {len(frames)} received, {dropped} dropped by the mode, "
        f"{lost} lost"
    )
    if lost or (mode == "video" and dropped):
        faults.append(f"{lost} frames lost, {dropped} dropped")
    early, late = (statistics.median(float(row[4]) for row in part) for part in _fifths(rows))
    print(f"memory after a swap: {early:.0f} MB in the second fifth, {late:.0f} MB in the last")
    if len(rows) >= LEAST_ROWS and late > MOST_GROWTH * early:
        faults.append(f"memory grew from {early} to {late} MB")
    return faults


def _fifths(rows: Sequence[tuple[Any, ...]]) -> tuple[Sequence[Any], Sequence[Any]]:
    """Returns the second fifth of the rows, when memory has settled, and the last."""
    size = max(len(rows) // 5, 1)
    return rows[size : 2 * size] or rows, rows[-size:]


def _wait_for_event(lines: Path, number: int, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        models = [each for each in _events(lines) if each.get("event") == "model"]
        if len(models) >= number:
            return models[number - 1]
        time.sleep(0.5)
    raise SystemExit(f"swap {number}: no event; {(lines.parent / 'log.txt').read_text()[-2000:]}")


def _events(lines: Path) -> list[dict[str, Any]]:
    """Returns the whole lines of an NDJSON file."""
    text = lines.read_text("utf-8") if lines.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _read_lines(lines: Path, expected: dict[str, list[Any]], names: dict[str, str]) -> list[str]:
    """Returns which frames do not hold what the package of their digest finds."""
    mixed, by_model, telling = [], dict.fromkeys(names.values(), 0), 0
    first, second = expected.values()
    for event in (each for each in _events(lines) if "event" not in each):
        by_model[names[event["digest"]]] += 1
        place = event["frame"] % len(first)
        telling += first[place] != second[place]
        if event["epoch"] or event["detections"] != expected[event["digest"]][place]:
            mixed.append(f"{event['source']} frame {event['frame']}, epoch {event['epoch']}")
    shares = ", ".join(f"{name} {count}" for name, count in by_model.items())
    print(f"{len(mixed)} mixed; frames by package: {shares}; {telling} in which the two differ")
    return [f"{len(mixed)} frames mixed, the first {mixed[0]}"] if mixed else []


if __name__ == "__main__":
    sys.exit(main())
