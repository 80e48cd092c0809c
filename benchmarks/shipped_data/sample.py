"""Makes the scene generator's sample: 2,000 garments and a dozen photographs.

    python -m benchmarks.shipped_data.sample

writes the shipped files again, to `training/spotlet_training/scenes/sample`. Needs all of
Fashion-MNIST and scikit-image's photographs; `LICENSES.md` is written by hand.
"""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from spotlet.atomic import atomic_file
from spotlet.errors import DatasetError, OutputError, SpotletError
from spotlet.letterbox import ImageArray
from spotlet_training.scenes.bundled import SAMPLE_COUNTS, SAMPLE_FOLDER, SHEET_COLUMNS
from spotlet_training.scenes.dataset import VALIDATION_OBJECTS
from spotlet_training.scenes.fashion import SIDE, FashionObjects, load_fashion

SEED = 20
"""Of the choice of objects."""

LONGEST_SIDE = 600
"""Of a photograph, pixels."""

JPEG_QUALITY = 86

PHOTOGRAPHS = {
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "camera": "camera.png",
    "chelsea": "chelsea.png",
    "clock": "clock_motion.png",
    "coffee": "coffee.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "hubble": "hubble_deep_field.jpg",
    "ihc": "ihc.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
}
"""Our names, and scikit-image's files: only those of a clear permissive licence."""


def choose_objects(objects: FashionObjects, count: int, seed: int) -> FashionObjects:
    """Returns `count` different objects, as many of each class, class by class."""
    rng = np.random.default_rng(seed)
    _, first_of_each = np.unique(
        objects.photos.reshape(len(objects), -1), axis=0, return_index=True
    )
    different = np.zeros(len(objects), bool)
    different[first_of_each] = True
    chosen = [
        rng.choice(np.flatnonzero(different & (objects.class_ids == class_id)), count // 10, False)
        for class_id in range(10)
    ]
    return objects.select(np.concatenate(chosen).astype(np.int64))


def sheet_of(photos: ImageArray) -> ImageArray:
    """Returns photos (N, 28, 28) as one picture, `SHEET_COLUMNS` in a row."""
    rows = photos.reshape(-1, SHEET_COLUMNS, SIDE, SIDE).swapaxes(1, 2)
    return np.ascontiguousarray(rows.reshape(-1, SHEET_COLUMNS * SIDE))


def write_sheet(path: Path, photos: ImageArray) -> None:
    """Writes photos (N, 28, 28) as a PNG that `load_sheet` reads.

    Raises:
        OutputError: it cannot be written.
    """
    _write(path, sheet_of(photos), cv2.IMWRITE_PNG_COMPRESSION, 9)


def shrink(photograph: ImageArray) -> ImageArray:
    """Returns a photograph (H, W, 3) with sides of at most `LONGEST_SIDE` pixels."""
    height, width = photograph.shape[:2]
    factor = LONGEST_SIDE / max(height, width)
    if factor >= 1:
        return photograph
    size_wh = (round(width * factor), round(height * factor))
    return cv2.resize(photograph, size_wh, interpolation=cv2.INTER_AREA).astype(np.uint8)


def make_sample(folder: Path, photograph_folder: Path) -> None:
    """Writes the sheets of objects and the photographs into a folder.

    Raises:
        DatasetError: Fashion-MNIST or a photograph is missing.
        OutputError: the folder cannot be written.
    """
    train, held_out = load_fashion("train"), load_fashion("t10k").select(VALIDATION_OBJECTS)
    for split, objects in (("train", train), ("t10k", held_out)):
        chosen = choose_objects(
            objects, SAMPLE_COUNTS["train" if split == "train" else "t10k"], SEED
        )
        write_sheet(folder / f"objects-{split}.png", chosen.photos)
    for name, file_name in PHOTOGRAPHS.items():
        photograph = cv2.imread(str(photograph_folder / file_name), cv2.IMREAD_COLOR)
        if photograph is None:
            raise DatasetError(f"{photograph_folder / file_name}: no such photograph")
        small = shrink(photograph.astype(np.uint8, copy=False))
        _write(folder / f"{name}.jpg", small, cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY)


def _write(path: Path, image: ImageArray, setting: int, value: int) -> None:
    with atomic_file(path) as temporary:
        if not cv2.imwrite(str(temporary), image, [setting, value]):
            raise OutputError(f"{path}: cannot be written")


def main() -> int:
    """Makes the sample and returns the exit code."""
    parser = argparse.ArgumentParser(description="Make the scene generator's sample.")
    parser.add_argument("--out", type=Path, default=SAMPLE_FOLDER, help="folder [%(default)s]")
    args = parser.parse_args()
    spec = find_spec("skimage")
    try:
        if spec is None or spec.origin is None:
            raise DatasetError("the photographs: run `pip install scikit-image` first")
        make_sample(args.out, Path(spec.origin).parent / "data")
    except SpotletError as error:
        print(f"sample: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
