"""Golden frames: pictures in a package, and what its models returned for them.

`golden/` holds lossless PNG files and `golden.json`. The export records it on its own machine;
`spotlet.check.replay` compares another machine with it.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import cv2

from spotlet.check.records import FrameRecord, record_frame
from spotlet.check.tolerances import GoldenTolerance
from spotlet.detector import Detector
from spotlet.errors import ModelFileError, OutputError, SourceError, UsageError
from spotlet.image_files.decoding import decode_image
from spotlet.letterbox import ImageArray
from spotlet.manifest import MOST_NAME_CHARACTERS
from spotlet.model.files import MOST_JSON_BYTES, MOST_PICTURE_BYTES, package_member, read_bounded
from spotlet.text.plain import is_plain, plain_line
from spotlet.text.schema import EXPORT_AGAIN, read_record, require_keys

GOLDEN_FILE = "golden.json"
"""The file in the frames' folder that holds the record of each model file."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_HEADER = struct.Struct(">16xII")
"""The signature, the first chunk's length and name, then width and height.

Source: W3C, "Portable Network Graphics (PNG) Specification", sections 5.2 and 11.2.1.
"""

MOST_FRAME_PIXELS = 2**25
"""Limit per golden frame: 100 MB decoded. A 4K picture has a quarter of it."""

MOST_FRAMES = 1000
"""Limit per package. The bundled ones hold 8."""

GOLDEN_SCHEMA = 1
"""The newest `golden.json` that this version reads."""


def record_golden(
    model_path: Path, frames: Mapping[str, ImageArray], tolerance: GoldenTolerance
) -> dict[str, Any]:
    """Returns a model file's record for frames on this machine's CPU, for `write_golden`.

    Args:
        model_path: of the `.onnx` file.
        frames: by name; (H, W, 3) uint8 BGR each.
        tolerance: how far other machines may differ.

    Raises:
        ModelFileError: the file cannot be used, or produces NaN or infinity.
        UsageError: an array is not a frame.
    """
    detector = Detector(model_path)
    records = {
        name: record_frame(detector, frame, detector.outputs(frame)).to_json()
        for name, frame in frames.items()
    }
    record = {"tolerance": asdict(tolerance), "frames": records}
    try:
        json.dumps(record, allow_nan=False)
    except ValueError as error:
        raise ModelFileError(
            f"{model_path}: produced NaN or infinity; retrain the model"
        ) from error
    return record


def write_golden(
    folder: Path, frames: Mapping[str, ImageArray], records: Mapping[str, dict[str, Any]]
) -> None:
    """Writes `NAME.png` for each frame, and `golden.json`, into a folder; creates it if needed.

    Args:
        folder: of the frames.
        frames: by name, the file name without its suffix.
        records: from `record_golden` for `frames`, by the model file's name in the package.

    Raises:
        OutputError: the folder cannot be written.
        UsageError: no frames, a name that cannot be a file's, or a record of other frames.
    """
    if not frames or not all(map(_is_frame_name, frames)):
        raise UsageError(f"golden frames {list(frames)}: must be at least one, each a file name")
    if any(set(record["frames"]) != set(frames) for record in records.values()):
        raise UsageError(f"golden records of {list(records)}: must hold exactly these frames")
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
) -> tuple[GoldenTolerance, dict[str, FrameRecord]]:
    """Returns a model file's tolerance, and its records by the frame's name.

    Args:
        folder: as written by `write_golden`.
        file_name: of the model file in its package.
        class_names: of that model.

    Raises:
        ModelFileError: `golden.json` is missing, malformed or newer than this version, has no
            record of the model file, or does not name a picture in the folder.
    """
    path = folder / GOLDEN_FILE
    text = read_bounded(package_member(folder, GOLDEN_FILE), MOST_JSON_BYTES)
    content = read_record(text, GOLDEN_SCHEMA, path)
    try:
        names, models = content["frames"], content["models"]
        if not isinstance(names, list) or not names or not all(map(_is_frame_name, names)):
            raise ValueError("frames must be a list of names, at least one")
        if len(names) > MOST_FRAMES:
            raise ValueError(f"{len(names)} frames must be at most {MOST_FRAMES}")
        if file_name not in models:
            _refuse(path, f"has no record of {file_name}")
        given, records = models[file_name]["tolerance"], models[file_name]["frames"]
        tolerance = GoldenTolerance(**require_keys(given, GoldenTolerance, "tolerance: "))
        if sorted(records) != sorted(names):
            raise ValueError(f"the record of {file_name} must hold exactly these frames")
        recorded = {name: FrameRecord.from_json(records[name], class_names) for name in names}
    except KeyError as error:
        _refuse(path, f"has no {error}", error)
    except (TypeError, ValueError, OverflowError) as error:
        _refuse(path, f"is malformed ({plain_line(str(error))})", error)
    extra = {each.name for each in folder.glob("*.png")} - {f"{name}.png" for name in names}
    if extra:
        _refuse(path, f"does not name {min(extra)}, which is in the folder")
    return tolerance, recorded


def read_golden_frame(folder: Path, name: str) -> ImageArray:
    """Returns a golden frame's picture, (H, W, 3) uint8 BGR.

    Its size is read before it is decoded: a file of a few kB can claim a gigapixel.

    Raises:
        ModelFileError: the file is missing, damaged, not a PNG, or too large.
    """
    path = package_member(folder, f"{name}.png")
    content = read_bounded(path, MOST_PICTURE_BYTES)
    if len(content) < PNG_HEADER.size or not content.startswith(PNG_SIGNATURE):
        _refuse(path, "is not a PNG")
    width, height = PNG_HEADER.unpack_from(content)
    if width * height > MOST_FRAME_PIXELS:
        _refuse(path, f"has {width} x {height} pixels, over {MOST_FRAME_PIXELS}")
    try:
        return decode_image(content, name=str(path))
    except SourceError as error:
        raise ModelFileError(f"{error}; {EXPORT_AGAIN}") from error


def _refuse(path: Path, why: str, error: Exception | None = None) -> NoReturn:
    raise ModelFileError(f"{path}: {why}; {EXPORT_AGAIN}") from error


def _is_frame_name(name: object) -> bool:
    """Returns whether a name can be a file in the folder, never one outside it."""
    if not isinstance(name, str) or name in ("", ".", "..") or len(name) > MOST_NAME_CHARACTERS:
        return False
    return is_plain(name) and not set(name) & set("/\\:")
