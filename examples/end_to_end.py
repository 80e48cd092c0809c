"""Writes the end-to-end file of a model: `python examples/end_to_end.py garments model.onnx`.

For a model of your own, `spotlet export --end-to-end` writes it into the package.
"""

import sys
from pathlib import Path

import onnx

from spotlet.atomic import atomic_file
from spotlet.model import locate_model
from spotlet_export import with_suppression


def write_end_to_end(model: str, target: Path) -> None:
    """Writes the file with suppression in its graph.

    Args:
        model: a bundled name, a package folder, or an `.onnx` file.
        target: the file to write.
    """
    joined = with_suppression(onnx.load(locate_model(model)))
    with atomic_file(target) as unfinished:
        onnx.save(joined, unfinished)


if __name__ == "__main__":
    write_end_to_end(sys.argv[1], Path(sys.argv[2]))
