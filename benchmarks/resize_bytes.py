"""Prints a hash of the bytes that `cv2.resize` returns for each case, to compare two machines.

    python benchmarks/resize_bytes.py > here.txt

It needs only numpy and OpenCV. The pictures are computed in whole numbers, the same everywhere.
"""

import hashlib

import cv2
import numpy as np

METHODS = ("INTER_LINEAR", "INTER_LINEAR_EXACT", "INTER_AREA", "INTER_NEAREST")
CANVASES = (320, 384, 640)
SIZES_WH = """640x480 640x360 480x360 360x480 517x333 777x431 1280x720 1920x1080 3840x2160 320x240
320x180 160x120 200x150 100x80 64x48 768x432 768x768 1536x1536 1280x1280 640x640 384x384 383x384
385x384 333x517 1080x1920 2592x1944 4056x3040 1x1 1x500 500x1 2x3 3x777 1001x7 13x13 800x600
1024x768 1366x768 720x576 704x480 2560x1440 853x480"""
"""Cameras' sizes, whole and broken multiples of the canvases, single pixels."""


def main() -> None:
    """Prints method, frame, resized size, content and hash."""
    for size in SIZES_WH.split():
        width, height = map(int, size.split("x"))
        for content, picture in (("noise", noise(width, height)), ("ramp", ramp(width, height))):
            for side in CANVASES:
                scale = min(side / width, side / height)
                resized = max(1, round(width * scale)), max(1, round(height * scale))
                for method in METHODS:
                    result = cv2.resize(picture, resized, interpolation=getattr(cv2, method))
                    digest = hashlib.sha256(result.tobytes()).hexdigest()[:16]
                    print(method, size, f"{resized[0]}x{resized[1]}", content, digest)


def noise(width: int, height: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Returns (H, W, 3) bytes hashed from their position (the mixing of SplitMix64)."""
    mixed = np.arange(width * height * 3, dtype=np.uint64) + np.uint64(width * 7919 + height)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return (mixed >> np.uint64(33)).astype(np.uint8).reshape(height, width, 3)


def ramp(width: int, height: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Returns (H, W, 3): from left to right, from top to bottom, and repeated across."""
    y, x = np.mgrid[0:height, 0:width]
    planes = x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), (x + y) * 3 % 256
    return np.stack(planes, axis=2).astype(np.uint8)


if __name__ == "__main__":
    main()
