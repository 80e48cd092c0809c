"""Runs LibreYOLO's check of an export on given files; for LibreYOLO's environment.

    python libreyolo_check.py NETWORK.pt SIZE NAME=FILE.onnx ...

Its check exports a network and compares the file with the network. Here the network is given, and
its export is a copy of the file. Prints a line of JSON for each file: name, and what was raised.
"""

import json
import logging
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

logging.basicConfig(level=logging.WARNING)


class Given:
    """A network whose export is a copy of a file."""

    def __init__(self, network: Any, file: str) -> None:
        self.model = network
        self.file = file

    def export(self, *, format: str, output_path: str, imgsz: object) -> str:  # noqa: A002
        """Copies the file."""
        shutil.copyfile(self.file, output_path)
        return output_path


def main() -> None:
    """Checks each file."""
    from libreyolo.training.export_check import run_export_parity_check

    network = torch.jit.load(sys.argv[1])  # type: ignore[no-untyped-call]
    for word in sys.argv[3:]:
        name, file = word.split("=", 1)
        raised = ""
        with tempfile.TemporaryDirectory() as folder:
            try:
                run_export_parity_check(
                    Given(network, file), out_dir=Path(folder), imgsz=int(sys.argv[2])
                )
            except Exception as error:
                raised = f"{type(error).__name__}: {error}"
        print(json.dumps([name, raised]), flush=True)


if __name__ == "__main__":
    main()
