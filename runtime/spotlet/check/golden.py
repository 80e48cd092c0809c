"""Golden frames: pictures that ride in a package, and what its models gave for them.

`golden/` holds lossless PNG files and `golden.json`. The export records it on the machine where
the model was proven; `spotlet.check.replay` compares with it on another.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

import cv2

from spotlet.check.observation import Observation, observe
from spotlet.detector import Detector
from spotlet.errors import ModelFileError, OutputError, SourceError, UsageError
from spotlet.image_files import decode_image
from spotlet.letterbox import ImageArray
from spotlet.manifest import MOST_NAME_CHARACTERS
from spotlet.model.files import MOST_JSON_BYTES, MOST_PICTURE_BYTES, package_member, read_bounded
from spotlet.text.plain import is_plain, parse_json, plain_line

GOLDEN_FILE = "golden.json"
"""In the folder of the frames: what each model file gave for them."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_HEADER = struct.Struct(">16xII")
"""Behind the signature stand the first chunk's length and name, then width and height.

Source: W3C, "Portable Network Graphics (PNG) Specification", sections 5.2 and 11.2.1.
"""

MOST_FRAME_PIXELS = 2**25
"""Of a golden frame: 100 MB decoded. A picture in 4K has a quarter."""

MOST_FRAMES = 1000
"""That a package may hold. The bundled ones hold 8."""

GOLDEN_SCHEMA = 1
"""The newest `golden.json` that this version reads."""


@dataclass(frozen=True, slots=True)
class GoldenTolerance:
    """How far a machine may be from the one of the export.

    Attributes:
        tensors: greatest |Δ| of a digest's number: boxes in [0, 1] of the canvas, scores.
        scores: greatest |Δ| of a detection's score.
        iou: least overlap of a detection with its partner, in [0, 1].
        canvas: greatest |Δ| of the letterboxed canvas's digest, grey levels. Up to it, a canvas
            that differs is a warning: OpenCV's `linear` rounds differently on some processors. A
            different interpolation is off by tens.
        ties: whether suppression may keep another box of an object. Then a detection of the
            export must agree with a candidate here, and one here must be of an object there.

    Raises:
        ValueError: one is no number, or out of its range.
    """

    tensors: float
    scores: float
    iou: float
    canvas: float = 1.0
    ties: bool = False

    def __post_init__(self) -> None:
        for name, highest in (("tensors", 1), ("scores", 1), ("iou", 1), ("canvas", 255)):
            value = getattr(self, name)
            if type(value) not in (int, float) or not 0 <= value <= highest:
                raise ValueError(f"tolerance {name} {value!r} must be from 0 to {highest}")
        if type(self.ties) is not bool:
            raise ValueError(f"tolerance ties {self.ties!r} must be true or false")

    def loosened(self, other: "GoldenTolerance") -> "GoldenTolerance":
        """Returns what allows all that either of the two does."""
        return GoldenTolerance(
            max(self.tensors, other.tensors),
            max(self.scores, other.scores),
            min(self.iou, other.iou),
            max(self.canvas, other.canvas),
            self.ties or other.ties,
        )

    @property
    def text(self) -> str:
        """It in words."""
        return f"tensors within {self.tensors:g}, scores {self.scores:g}, overlap {self.iou:g}"

    def to_json(self) -> dict[str, float | bool]:
        """Returns it as `golden.json` holds it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: object) -> "GoldenTolerance":
        """Returns it as it was written.

        Raises:
            ValueError: a key is missing or unknown, or a value breaks its rule.
        """
        names = [each.name for each in fields(cls)]
        if not isinstance(content, dict) or set(content) != set(names):
            raise ValueError(f"a tolerance must hold {', '.join(names)}")
        return cls(**content)


FP32_TOLERANCE = GoldenTolerance(1e-4, 1e-3, 0.99)
"""Between onnxruntime 1.18 and 1.32, graph optimisation on and off, float32 outputs differ by at
most 1e-6. Rounding them to half precision moves them by up to 2.4e-4, and computing in it by some
1e-3: 1e-4 lies between."""

INT8_TOLERANCE = GoldenTolerance(0.03, 0.05, 0.8, ties=True)
"""Between onnxruntime 1.18 and 1.32, graph optimisation on and off, int8 networks differ by up to
0.01 in a score and 0.0023 in a box: a value at the edge of a step falls to either side, and the
layers after enlarge that. Noise of that size made suppression choose otherwise in one frame of
five, hence `ties`."""


INT8_PROVIDER_TOLERANCE = GoldenTolerance(0.15, 0.1, 0.8, ties=True)
"""Of an int8 network on a provider other than the CPU: each rounds between its integer layers in
its own way. OpenVINO is up to 0.11 from onnxruntime's CPU in a score of a tensor, and 0.043 in one
that is found, where quantising alone moved them by 0.12. Float32 needs no such thing: OpenVINO is
within 2e-6."""


def record_golden(
    model_path: Path, frames: Mapping[str, ImageArray], tolerance: GoldenTolerance
) -> dict[str, Any]:
    """Returns what a model file gives for frames on this machine's CPU, for `write_golden`.

    Args:
        model_path: of the `.onnx` file.
        frames: by name; (H, W, 3) uint8 BGR each.
        tolerance: what other machines may differ by.

    Raises:
        ModelFileError: the file cannot be used, or gives what is no number.
        UsageError: an array is no frame.
    """
    detector = Detector(model_path)
    record = {
        "tolerance": tolerance.to_json(),
        "frames": {name: observe(detector, frame).to_json() for name, frame in frames.items()},
    }
    try:
        json.dumps(record, allow_nan=False)
    except ValueError as error:
        raise ModelFileError(f"{model_path}: gives what is no number; train it again") from error
    return record


def write_golden(
    folder: Path, frames: Mapping[str, ImageArray], records: Mapping[str, dict[str, Any]]
) -> None:
    """Writes `NAME.png` for each frame, and `golden.json`.

    Args:
        folder: made where there is none.
        frames: by name, which is that of a file without its ending.
        records: by the model file's name in the package, what `record_golden` gave for `frames`.

    Raises:
        OutputError: the folder cannot be written.
        UsageError: there is no frame, a name is none of a file, or a record is of others.
    """
    if not frames or not all(map(_is_frame_name, frames)):
        raise UsageError(f"golden frames {list(frames)}: must be at least one, named as a file is")
    if any(set(record["frames"]) != set(frames) for record in records.values()):
        raise UsageError(f"golden records of {list(records)}: must be of these frames, all of them")
    content = {"schema": GOLDEN_SCHEMA, "frames": list(frames), "models": dict(records)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in frames.items():
            encoded, png = cv2.imencode(".png", frame)
            assert encoded
            (folder / f"{name}.png").write_bytes(png.tobytes())
        (folder / GOLDEN_FILE).write_text(json.dumps(content) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error


def read_golden(
    folder: Path, file_name: str, class_names: tuple[str, ...]
) -> tuple[GoldenTolerance, dict[str, Observation]]:
    """Returns what a model file may differ by, and what it gave, by the frame's name.

    Args:
        folder: that was written by `write_golden`.
        file_name: of the model file in its package.
        class_names: of that model.

    Raises:
        ModelFileError: `golden.json` is missing, malformed or newer than this version, holds
            nothing of the model file, or there is a picture that it does not name.
    """
    path = folder / GOLDEN_FILE
    try:
        content = parse_json(read_bounded(package_member(folder, GOLDEN_FILE), MOST_JSON_BYTES))
    except ValueError as error:
        _refuse(path, f"is no JSON ({error})", error)
    try:
        schema, names, models = content["schema"], content["frames"], content["models"]
        if type(schema) is not int or schema < 1:
            raise ValueError(f"schema {schema!r} must be a whole number")
        if schema > GOLDEN_SCHEMA:
            raise ModelFileError(
                f"{path}: schema {schema} is newer than this spotlet reads ({GOLDEN_SCHEMA}); "
                "run `pip install --upgrade spotlet`"
            )
        if not isinstance(names, list) or not names or not all(map(_is_frame_name, names)):
            raise ValueError("frames must be names, at least one")
        if len(names) > MOST_FRAMES:
            raise ValueError(f"{len(names)} frames, at most {MOST_FRAMES} are replayed")
        if file_name not in models:
            _refuse(path, f"holds nothing of {file_name}")
        tolerance = GoldenTolerance.from_json(models[file_name]["tolerance"])
        records = models[file_name]["frames"]
        if sorted(records) != sorted(names):
            raise ValueError(f"of {file_name} it must hold every frame and no other")
        recorded = {name: Observation.from_json(records[name], class_names) for name in names}
    except KeyError as error:
        _refuse(path, f"has no {error}", error)
    except (TypeError, ValueError, OverflowError) as error:
        _refuse(path, f"is malformed ({plain_line(str(error))})", error)
    extra = {each.name for each in folder.glob("*.png")} - {f"{name}.png" for name in names}
    if extra:
        _refuse(path, f"does not name {min(extra)}, which is there")
    return tolerance, recorded


def read_golden_frame(folder: Path, name: str) -> ImageArray:
    """Returns a golden frame's picture, (H, W, 3) uint8 BGR.

    Its size is looked at before it is decoded: a few kB can say that they are a gigapixel.

    Args:
        folder: that was written by `write_golden`.
        name: of the frame.

    Raises:
        ModelFileError: it is missing, damaged, no PNG, or too large.
    """
    path = package_member(folder, f"{name}.png")
    content = read_bounded(path, MOST_PICTURE_BYTES)
    if len(content) < PNG_HEADER.size or not content.startswith(PNG_SIGNATURE):
        _refuse(path, "is no PNG")
    width, height = PNG_HEADER.unpack_from(content)
    if width * height > MOST_FRAME_PIXELS:
        _refuse(path, f"has {width} x {height} pixels, over {MOST_FRAME_PIXELS}")
    try:
        return decode_image(content, name=str(path))
    except SourceError as error:
        raise ModelFileError(f"{error}; export the model again") from error


def _refuse(path: Path, why: str, error: Exception | None = None) -> NoReturn:
    raise ModelFileError(f"{path}: {why}; export the model again") from error


def _is_frame_name(name: object) -> bool:
    """Returns whether a name can be that of a file in the folder, and leads nowhere else."""
    if not isinstance(name, str) or name in ("", ".", "..") or len(name) > MOST_NAME_CHARACTERS:
        return False
    return is_plain(name) and not set(name) & set("/\\:")
