"""The catalogue: every fault of the folder `faults`, by name."""

import importlib
from pathlib import Path

from benchmarks.export_faults.fault import Fault

FOLDER = Path(__file__).parent / "faults"


def catalogue() -> dict[str, Fault]:
    """Returns all faults and controls, by name, in alphabetical order, controls last.

    Example:
        >>> "colour_order" in catalogue()
        True
    """
    names = sorted(file.stem for file in FOLDER.glob("*.py"))
    loaded = [importlib.import_module(f"benchmarks.export_faults.faults.{name}") for name in names]
    faults: list[Fault] = [module.FAULT for module in loaded]
    return {fault.name: fault for fault in sorted(faults, key=lambda item: item.kind == "control")}
