"""From a camera to a better detector: the whole loop, with what it costs and what it gains.

    python benchmarks/loop.py --work DIR [--keep 120] [--epochs 20] [--image-size 320]
        [--scenes 300]

A weak model is trained on garments of half of the looks of each class, those that fill less of
their picture, at four of the camera's nine places. An MJPEG camera on loopback shows 60 s of scenes
with all looks, 10 frames a second. `spotlet run` watches it with the weak model and collects
frames, `spotlet label` labels them with the bundled model, the weak model is trained further on
both sets, and exported through the gate. As a control, it is trained as long on the first set
alone. AP50 before and after on scenes of other garments at the camera's places, the minutes of each
step, and the commands that a person types (nothing is corrected by hand) are printed; `loop.json`
holds them.

Finished steps are kept in DIR; delete a step's folder to repeat it.
"""

import argparse
import json
import platform
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from spotlet.letterbox import ImageArray
from spotlet.text.terminal import table
from spotlet_training.datasets import open_dataset
from spotlet_training.evaluation.measurement import measure
from spotlet_training.scenes import training_scenes, validation_scenes, write_coco_set
from spotlet_training.scenes.bundled import load_photographs, load_sample
from spotlet_training.scenes.dataset import SceneDataset
from spotlet_training.scenes.fashion import FashionObjects

SECONDS, FPS = 60, 10
FRAMES_OF_A_SCENE = 4
"""The camera looks at a scene for 0.4 s, moving by a few pixels, then at the next."""

INKED = 32
"""Grey level from which a pixel belongs to the garment."""

TEACHER = "garments"


def main() -> int:
    """Runs the steps that are left, and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--keep", type=int, default=120, help="frames to collect")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--image-size", type=int, default=320)
    parser.add_argument("--scenes", type=int, default=300, help="training scenes of half the looks")
    args = parser.parse_args()
    work: Path = args.work
    work.mkdir(parents=True, exist_ok=True)
    minutes: dict[str, float] = {}
    commands: dict[str, str] = {}

    def step(name: str, result: Path, *words: str) -> None:
        """Runs a command of the program, unless its result is there."""
        commands[name] = shlex.join(["spotlet", *words])
        record = work / f"{name}.minutes"
        if not (record.is_file() and result.exists()):
            print(f"{name}: {commands[name]}", flush=True)
            started = time.monotonic()
            subprocess.run([sys.executable, "-m", "spotlet", *words], check=True)
            record.write_text(f"{(time.monotonic() - started) / 60:.2f}")
        minutes[name] = float(record.read_text())

    recipe = ["--epochs", str(args.epochs), "--image-size", str(args.image_size), "--size", "pico"]
    if not (work / "half").exists():
        half = half_of_the_looks(args.scenes)
        write_coco_set(work / "half", half, validation_scenes(100, 1, "sample"))
    if not (work / "held-out").exists():
        # The training split, which a set must have, is not used.
        garments, places = load_sample("t10k"), load_photographs("training")
        held_out = SceneDataset(garments, places, count=300, seed=2)
        write_coco_set(work / "held-out", training_scenes(2, 3, "sample"), held_out)
    weak, better = work / "weak", work / "better"
    step("first training", weak, "train", str(work / "half"), *recipe, "--out", str(weak))
    checkpoint = str(weak / "best.safetensors")
    before = work / "before"
    step(
        "first export",
        before,
        "export",
        checkpoint,
        "--data",
        f"{work / 'half'}",
        "--out",
        f"{before}",
    )
    collected = work / "collected"
    with camera(film(args.image_size)) as url:
        bounds = ["--collect-frames", str(args.keep), "--collect-per-hour", "7200"]
        step(
            "collect",
            collected,
            *("run", str(before), url, "--collect", str(collected), *bounds),
            *("--max-frames", str(SECONDS * FPS - 5), "--ndjson", str(work / "run.ndjson")),
        )
    labelled = work / "labelled"
    step("label", labelled, "label", str(collected), "--with", TEACHER, "--out", str(labelled))
    step("check", labelled, "data", "check", str(labelled))
    step(
        "train",
        better,
        *("train", str(work / "half"), str(labelled), *recipe),
        *("--weights", checkpoint, "--out", str(better)),
    )
    control = work / "control"
    step(
        "control",
        control,
        *("train", str(work / "half"), *recipe, "--weights", checkpoint, "--out", str(control)),
    )
    after = work / "after"
    step(
        "export",
        after,
        *("export", str(better / "best.safetensors")),
        *("--data", str(work / "half"), "--out", str(after)),
    )
    judged = open_dataset(work / "held-out", "val")
    figures = {
        name: measure(str(model), judged).evaluation.accuracy
        for name, model in (
            ("before", before),
            ("trained as long again, without the collected frames", control / "best.safetensors"),
            ("after", after),
            ("the labelling model", TEACHER),
        )
    }
    kept = len(list((collected / "images").iterdir()))
    typed = [name for name in commands if not name.startswith(("first", "control"))]
    print(table([(name, f"{each:.1f}") for name, each in minutes.items()], ("step", "minutes")))
    print(
        table(
            [(name, f"{each.ap50:.3f}", f"{each.ap:.3f}") for name, each in figures.items()],
            ("model", "AP50", "AP"),
        )
    )
    print(
        f"{kept} frames collected of {SECONDS * FPS}; from camera to package "
        f"{sum(minutes[name] for name in typed):.1f} minutes, {len(typed)} commands, 0 boxes drawn "
        f"or corrected; {platform.machine()}, python {platform.python_version()}"
    )
    record = {
        "minutes": minutes,
        "commands": commands,
        "ap50": {name: each.ap50 for name, each in figures.items()},
        "ap": {name: each.ap for name, each in figures.items()},
        "kept": kept,
    }
    (work / "loop.json").write_text(json.dumps(record, indent=1))
    return 0


def half_of_the_looks(count: int) -> SceneDataset:
    """Returns training scenes of those garments that fill the smaller part of their picture."""
    objects = load_sample("train")
    inked = (objects.photos > INKED).reshape(len(objects), -1).mean(axis=1)
    narrow = np.zeros(len(objects), np.bool_)
    for members in objects.by_class.values():
        narrow[members] = inked[members] <= np.median(inked[members])
    chosen = FashionObjects(objects.photos[narrow], objects.class_ids[narrow])
    photographs = load_photographs("training")
    return SceneDataset(chosen, photographs[:4], count=count, seed=0)


def film(side: int) -> list[bytes]:
    """Returns the camera's JPEGs: scenes with all looks of the training garments."""
    scenes = training_scenes(SECONDS * FPS // FRAMES_OF_A_SCENE, 7, "sample", (480, 640))
    return [
        encoded
        for number in range(len(scenes))
        for encoded in moving(scenes.load(number).image_bgr, number)
    ]


def moving(scene: ImageArray, number: int) -> Iterator[bytes]:
    """Yields the JPEGs of a camera that moves a few pixels a frame over a scene."""
    step_x, step_y = np.random.default_rng([11, number]).integers(-4, 5, size=2)
    for place in range(FRAMES_OF_A_SCENE):
        move = np.array([[1, 0, place * step_x], [0, 1, place * step_y]], np.float32)
        size_wh = scene.shape[1], scene.shape[0]
        moved = cv2.warpAffine(scene, move, size_wh, borderMode=cv2.BORDER_REPLICATE)
        yield cv2.imencode(".jpg", moved, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()


@contextmanager
def camera(pictures: list[bytes]) -> Iterator[str]:
    """Serves the pictures once to each client, at `FPS`, and then hangs up; yields the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
            self.end_headers()
            started = time.monotonic()
            for number, picture in enumerate(islice(pictures, None)):
                time.sleep(max(0.0, started + number / FPS - time.monotonic()))
                head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}"
                try:
                    self.wfile.write(head.encode() + b"\r\n\r\n" + picture + b"\r\n")
                except OSError:
                    return

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/door"
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    sys.exit(main())
