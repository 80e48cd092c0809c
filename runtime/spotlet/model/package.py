"""Where a model is: a bundled name, a package folder, or an `.onnx` file."""

from importlib import resources
from pathlib import Path
from typing import Any

from spotlet.errors import ModelFileError, UsageError
from spotlet.model.files import MOST_JSON_BYTES, is_file, is_folder, package_member, read_bounded
from spotlet.text.plain import is_plain
from spotlet.text.schema import read_record

MODEL_FILE = "model.onnx"
"""The file of a package that runs by default."""

VARIANTS = {
    "fp32": MODEL_FILE,
    "int8": "model.int8.onnx",
    "end-to-end": "model.end2end.onnx",
    "int8-end-to-end": "model.int8.end2end.onnx",
}
"""The files of a package, all the same network, by precision and by whether thresholding and
suppression are in the graph."""

INT8_VARIANTS = ("int8", "int8-end-to-end")
"""The variants that compute in eight bits."""

PARITY_FILE = "parity.json"
"""The file of a package that holds what the export gate measured."""

CARD_FILE = "CARD.md"
"""The file of a package that describes the model."""

ADOPTED_KEY = "adopted"
"""Key in `parity.json` of an adopted package: where the model is from."""

PARITY_SCHEMA = 2
"""The newest `parity.json` that this version reads."""

GOLDEN_FOLDER = "golden"
"""The folder of a package with frames and the detections that its models must produce."""


def bundled_models() -> dict[str, Path]:
    """Returns the packages that came with the installation, by name."""
    root = Path(str(resources.files("spotlet_models")))
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{MODEL_FILE}"))}


def locate_model(model: str | Path, variant: str | None = None) -> Path:
    """Returns the path of the `.onnx` file.

    Args:
        model: a path to a file, a path to a package folder, or a bundled name. A path wins
            over a name.
        variant: one of `VARIANTS`, of a package or a bundled name; None is its `MODEL_FILE`.

    Raises:
        ModelFileError: there is no such model, or the package has no such variant.
        UsageError: an unknown variant, or a variant of a single file.
    """
    if variant is not None and variant not in VARIANTS:
        raise UsageError(f"variant {variant}: must be one of {', '.join(VARIANTS)}")
    path = Path(model)
    if is_file(path):
        if variant is not None:
            raise UsageError(f"{path}: is a single file; --variant needs a package folder")
        return path
    bundled = bundled_models()
    folder = path if is_folder(path) else bundled.get(str(model))
    if folder is None:
        names = ", ".join(bundled) or "none"
        raise ModelFileError(f"{model}: no such file, folder or bundled model (bundled: {names})")
    if not is_file(folder / MODEL_FILE):
        raise ModelFileError(f"{folder}: has no {MODEL_FILE}, which a model package must have")
    file = package_member(folder, VARIANTS[variant or "fp32"])
    if not is_file(file):
        has = ", ".join(variants_of(folder))
        command = "adopt" if _is_adopted(folder) else "export"
        flags = " ".join(f"--{part}" for part in ("int8", "end-to-end") if part in (variant or ""))
        raise ModelFileError(
            f"{model}: has no {variant} variant, only {has}; `spotlet {command} {flags}` makes one"
        )
    return file


def _is_adopted(folder: Path) -> bool:
    """Returns whether a package was made of another exporter's file."""
    try:
        return ADOPTED_KEY in (_read_parity_file(folder / PARITY_FILE) or {})
    except ModelFileError:  # what is asked for does not depend on it
        return False


def locate_models(model: str | Path, variant: str | None = None) -> tuple[Path, ...]:
    """Returns the paths of the `.onnx` files: all variants of a package, or the single file.

    Args:
        model: as for `locate_model`.
        variant: only this one.

    Raises:
        ModelFileError: as for `locate_model`.
        UsageError: as for `locate_model`.
    """
    path = locate_model(model, variant)
    if variant is not None or is_file(Path(model)):
        return (path,)
    return tuple(variants_of(path.parent).values())


def variants_of(folder: Path) -> dict[str, Path]:
    """Returns the model files that a package holds, by variant.

    Raises:
        ModelFileError: one is a link that leads out of the folder.
    """
    paths = {name: package_member(folder, file) for name, file in VARIANTS.items()}
    return {name: path for name, path in paths.items() if is_file(path)}


def cells_file(path: Path) -> Path | None:
    """Returns the file without suppression of the same network as a file with it.

    Args:
        path: of a package's model file.

    Returns:
        None if the file has no suppression, or the other does not exist.
    """
    file = path.with_name(path.name.replace(".end2end", ""))
    return file if path.name in VARIANTS.values() and file != path and file.is_file() else None


def recorded_files(folder: Path) -> tuple[str, ...]:
    """Returns the names of the model files that `parity.json` lists; none if it is too old.

    Raises:
        ModelFileError: it cannot be read, or is newer than this version.
    """
    content = _read_parity_file(folder / PARITY_FILE)
    files = {} if content is None else content.get("files", {})
    return tuple(filter(is_plain, files)) if isinstance(files, dict) else ()


def read_parity(path: Path) -> dict[str, Any] | None:
    """Returns what the package's `parity.json` records of a model file.

    In schema 1 a package has one model file, which all of `parity.json` describes.

    Args:
        path: of the `.onnx` file.

    Returns:
        The file's entry; None if there is no `parity.json` beside the file.

    Raises:
        ModelFileError: it cannot be read, is newer than this version, or lacks the file.
    """
    parity_path = path.parent / PARITY_FILE
    content = _read_parity_file(parity_path)
    if content is None or content.get("schema", 1) == 1:
        return content
    files = content.get("files")
    entry = files.get(path.name) if isinstance(files, dict) else None
    if not isinstance(entry, dict):
        raise ModelFileError(f"{parity_path}: has no entry for {path.name}; export the model again")
    return entry


def _read_parity_file(path: Path) -> dict[str, Any] | None:
    path = package_member(path.parent, path.name)
    if not path.is_symlink() and not path.exists():
        return None
    content = read_record(read_bounded(path, MOST_JSON_BYTES), PARITY_SCHEMA, path, default=1)
    if content.get("passed") is False:
        raise ModelFileError(f"{path}: does not record a passed gate; export the model again")
    return content
