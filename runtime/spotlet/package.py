"""Where a model lies: a bundled name, a package folder, or an `.onnx` file."""

from importlib import resources
from pathlib import Path

from spotlet.errors import ModelFileError

MODEL_FILE = "model.onnx"
"""The file of a package that runs by default."""

PARITY_FILE = "parity.json"
"""The file of a package that holds what the export gate measured."""


CARD_FILE = "CARD.md"
"""The file of a package that tells a person what the model is."""


def bundled_models() -> dict[str, Path]:
    """Returns the packages that came with the installation, by name."""
    root = Path(str(resources.files("spotlet_models")))
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{MODEL_FILE}"))}


def locate_model(model: str | Path) -> Path:
    """Returns the path of the `.onnx` file.

    Args:
        model: a path to a file, a path to a package folder, or a bundled name. A path wins
            over a name.

    Raises:
        ModelFileError: there is no such model; the message lists the bundled ones.
    """
    path = Path(model)
    if path.is_dir():
        if (path / MODEL_FILE).is_file():
            return path / MODEL_FILE
        raise ModelFileError(f"{path}: a model package holds {MODEL_FILE}, this folder does not")
    if path.is_file():
        return path
    bundled = bundled_models()
    if str(model) in bundled:
        return bundled[str(model)] / MODEL_FILE
    raise ModelFileError(
        f"{model}: no such file, folder or bundled model (bundled: {', '.join(bundled) or 'none'})"
    )
