"""What `spotlet run --skip-still` saves in still scenes, and costs in others.

    PYTHONPATH=tests python -m benchmarks.still [--minutes 10] [--rounds 5] [--model everyday]
        [--height 432] [--ffmpeg FILE]

Three clips at 25 frames/s, by ffmpeg in H.264 with a key frame every 2 s if there is one, else in
MPEG-4: `still` is a room of the bundled clip with new noise in each frame, whose light falls by a
quarter and comes back; `person` is the same, and for a tenth of it somebody walks up and down, over
a line and through a zone; `moving` is the bundled demo. Each is run without and with the option in
turns. Printed are the medians of the processor time of the whole program, of the frames/s of its
summary, and of their ratios; which frames of the person were not inferred; and whether the counts
are equal, at the end and in every frame.
"""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib import resources
from itertools import count, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from benchmarks.clip import demo_frames

from spotlet import open_stream
from spotlet.letterbox import ImageArray
from spotlet.text.terminal import table

FPS = 25
NOISE = 3.0
"""Standard deviation, grey levels."""

EMPTY_FRAME, PERSON_FRAME = 80, 120
"""Of the bundled clip: nobody is there; somebody stands free."""

STEP_PIXELS = 4
"""How far the person goes in a frame, pixels of the bundled clip."""

COUNTING = (
    "--classes",
    "person",
    "--zone",
    "right=0.55,0,1,0,1,1,0.55,1",
    "--line",
    "middle=0.5,1,0.5,0",
)


def main() -> int:
    """Runs all clips, and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="everyday")
    parser.add_argument("--height", type=int, default=432)
    parser.add_argument("--ffmpeg", default=shutil.which("ffmpeg"))
    args = parser.parse_args()
    frames = round(args.minutes * 60 * FPS)
    here = (frames // 2, frames // 2 + frames // 10)
    size = (args.height * 16 // 9, args.height)
    rows: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        clips = {
            "still": scene(frames, (0, 0), size),
            "person": scene(frames, here, size),
            "moving": (np.asarray(cv2.resize(each, size), np.uint8) for each in demo_frames(1500)),
        }
        for name, pictures in clips.items():
            clip = write(Path(folder) / f"{name}.mp4", pictures, size, args.ffmpeg)
            counting = COUNTING if name != "moving" else ()
            runs = [
                (
                    run(args.model, clip, *counting),
                    run(args.model, clip, *counting, "--skip-still"),
                )
                for _ in range(args.rounds)
            ]
            print(
                f"{name}: {summary_of(*runs[-1], here if name == 'person' else None)}", flush=True
            )
            cpu = [(plain["cpu"], still["cpu"]) for plain, still in runs]
            rate = [(plain["rate"], still["rate"]) for plain, still in runs]
            rows.append((name, "CPU seconds", *figures(cpu)))
            rows.append((name, "frames/s", *figures(rate)))
    print(table(rows, header=("clip", "", "plain", "--skip-still", "ratio", "least", "most")))
    print(f"{frames} frames of {size[0]}x{size[1]}, {args.model}, {args.rounds} rounds")
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    return 0


def scene(frames: int, here: tuple[int, int], size: tuple[int, int]) -> Iterator[ImageArray]:
    """Yields the room, with the person from frame `here[0]` to before `here[1]`."""
    clip = Path(str(resources.files("spotlet_models"))) / "clips" / "people.mp4"
    with open_stream(clip) as stream:
        pictures = [frame.image for frame in islice(stream, PERSON_FRAME + 1)]
    room = pictures[EMPTY_FRAME].astype(np.float32)
    apart = cv2.absdiff(pictures[PERSON_FRAME], pictures[EMPTY_FRAME]).max(axis=2)
    closed = cv2.morphologyEx(apart, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8)) > 60
    parts, labels, regions, _ = cv2.connectedComponentsWithStats(closed.astype(np.uint8))
    person = max(range(1, parts), key=lambda part: regions[part, cv2.CC_STAT_AREA])
    mask = labels == person
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    body = pictures[PERSON_FRAME][top : top + height, left : left + width].astype(np.float32)
    alpha = cv2.GaussianBlur(
        mask[top : top + height, left : left + width].astype(np.float32), (0, 0), 1.5
    )
    free = room.shape[1] - width
    rng = np.random.default_rng(0)
    speckles = rng.normal(0, NOISE, 2 * size[0] * size[1]).astype(np.float32)
    for number in range(frames):
        picture = room
        if here[0] <= number < here[1]:
            at = STEP_PIXELS * (number - here[0]) % (2 * free)
            at = min(at, 2 * free - at)
            picture = room.copy()
            there = picture[top : top + height, at : at + width]
            there += alpha[..., np.newaxis] * (body - there)
        light = 1 - 0.25 * np.sin(np.pi * number / frames)
        start = int(rng.integers(size[0] * size[1]))
        noise = speckles[start : start + size[0] * size[1]].reshape(size[1], size[0], 1)
        yield np.clip(cv2.resize(picture, size) * light + noise, 0, 255).astype(np.uint8)


def write(
    path: Path, pictures: Iterator[ImageArray], size: tuple[int, int], ffmpeg: str | None
) -> Path:
    """Encodes the pictures; returns the path."""
    if ffmpeg is None:
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, size)
        for picture in pictures:
            writer.write(picture)
        writer.release()
        return path
    words = f"-y -loglevel error -f rawvideo -pix_fmt bgr24 -s {size[0]}x{size[1]} -r {FPS} -i -"
    coded = f"-c:v libx264 -preset veryfast -crf 26 -g {2 * FPS} -pix_fmt yuv420p"
    encoder = subprocess.Popen(
        [ffmpeg, *words.split(), *coded.split(), str(path)], stdin=subprocess.PIPE
    )
    assert encoder.stdin is not None
    for picture in pictures:
        encoder.stdin.write(picture.tobytes())
    encoder.stdin.close()
    if encoder.wait():
        raise SystemExit(f"{ffmpeg} failed")
    return path


def run(model: str, clip: Path, *options: str) -> dict[str, Any]:
    """Runs the program; returns its processor seconds, frames/s and events."""
    lines = clip.with_suffix(".ndjson")
    words = [sys.executable, "-m", "spotlet", "run", model, str(clip), "--ndjson", str(lines)]
    before = os.times()
    done = subprocess.run([*words, *options], check=True, capture_output=True, text=True)
    after = os.times()
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    rate = re.search(r"([\d.]+) frames/s", done.stdout)
    assert rate is not None
    events = [json.loads(line) for line in lines.read_text().splitlines()]
    return {"cpu": used, "rate": float(rate[1]), "events": events}


def summary_of(plain: dict[str, Any], still: dict[str, Any], here: tuple[int, int] | None) -> str:
    """Returns in words what the last round inferred and counted."""
    pairs = list(zip(plain["events"], still["events"], strict=True))
    skipped = [number for number, (_, event) in zip(count(), pairs) if "inferred" in event]
    parts = [f"{len(pairs) - len(skipped)} of {len(pairs)} frames inferred"]
    if here is not None:
        missed = [number - here[0] for number in skipped if here[0] <= number < here[1]]
        parts.append(f"of {here[1] - here[0]} with the person not inferred: {missed or 'none'}")
        seen = [bool(each["detections"]) for each in plain["events"][slice(*here)]]
        parts.append(f"person found in {sum(seen)}")
    if "counts" in pairs[0][0]:
        differ = sum(before["counts"] != event["counts"] for before, event in pairs)
        equal = pairs[-1][0]["counts"] == pairs[-1][1]["counts"]
        last = json.dumps(still["events"][-1]["counts"])
        parts.append(f"counts {'equal' if equal else 'DIFFER'} at the end, {last}")
        parts.append(f"they differ in {differ} frames")
    return "; ".join(parts)


def figures(pairs: Sequence[tuple[float, float]]) -> tuple[str, ...]:
    """Returns both medians, and the median, least and most of the ratios."""
    ratios = [still / plain for plain, still in pairs]
    plain, still = (statistics.median(each) for each in zip(*pairs, strict=True))
    middle = statistics.median(ratios)
    return (
        f"{plain:.1f}",
        f"{still:.1f}",
        *(f"{n:.3f}" for n in (middle, min(ratios), max(ratios))),
    )


if __name__ == "__main__":
    sys.exit(main())
