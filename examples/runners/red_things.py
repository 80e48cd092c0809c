"""A runner in plain Python: it finds what is red, at most one picture of 320x320 at a time.

    spotlet label PICTURES --runner 'python examples/runners/red_things.py' --out SET

The protocol is in docs/runners.md. Only standard output speaks it: print to standard error.
"""

import json
import sys

import cv2
import numpy as np

SIDE = 320


def say(**content: object) -> None:
    """Writes one line, at once."""
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Says hello, then answers every picture."""
    canvas = {"height": SIDE, "width": SIDE, "colour": "rgb", "resize": "letterbox", "pad": 114}
    say(spotlet_runner=1, name="red things", classes=["red thing"], input=canvas)
    while line := sys.stdin.buffer.readline():  # empty: Spotlet has closed the pipe
        asked = json.loads(line)
        size = asked["height"], asked["width"], 3
        picture = np.frombuffer(sys.stdin.buffer.read(size[0] * size[1] * 3), np.uint8)
        if picture.size < size[0] * size[1] * 3:  # Spotlet was killed
            break
        red, green, blue = picture.reshape(size).astype(np.int16).transpose(2, 0, 1)
        mask = (red - np.maximum(green, blue) > 60).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        things = [stat for stat in stats[1:].tolist() if stat[4] > 50]  # the first is the rest
        say(
            id=asked["id"],
            boxes=[[x, y, x + width, y + height] for x, y, width, height, _ in things],
            scores=[area / (width * height) for _, _, width, height, area in things],
            class_ids=[0] * len(things),
        )


main()
