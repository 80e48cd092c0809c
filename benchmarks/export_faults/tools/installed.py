"""Tools among our own packages: onnx's checker, onnxruntime, PyTorch's verification."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
import onnx_ir
import torch
from benchmarks.export_faults.subject import Subject
from benchmarks.export_faults.tool import Tool, Verdict, first_line
from torch.onnx.verification import verify_onnx_program

from spotlet_export.graph.graph import fold_batch_norms

# After spotlet, which turns onnxruntime's telemetry off.
# isort: split
import onnxruntime as ort

LIMIT = 1e-4
"""Of |Δ|, as in our gate: PyTorch's verification returns differences and no verdict."""


@dataclass(frozen=True, slots=True)
class CheckerTool:
    """`onnx.checker.check_model` with `full_check`."""

    name: str = "onnx.checker"
    compares: str = "nothing"
    claims: str = "`check_model(full_check=True)`: the file is valid ONNX, its shapes fit"

    def open(self, cache: Path) -> dict[str, str]:
        """Returns versions."""
        return {"onnx": version("onnx")}

    def judge(self, subject: Subject, files: Mapping[str, Path]) -> Iterator[tuple[str, Verdict]]:
        """Yields the verdict on each file."""
        for name, file in files.items():
            try:
                onnx.checker.check_model(file, full_check=True)
            except Exception as error:  # of several unrelated classes
                yield name, Verdict(True, first_line(error))
            else:
                yield name, Verdict(False)


@dataclass(frozen=True, slots=True)
class RuntimeTool:
    """onnxruntime: loads the file and runs it, as `onnxruntime_test` does."""

    name: str = "onnxruntime"
    compares: str = "nothing"
    claims: str = "the file loads and runs; its packages have no command that compares two"

    def open(self, cache: Path) -> dict[str, str]:
        """Returns versions."""
        return {"onnxruntime": version("onnxruntime")}

    def judge(self, subject: Subject, files: Mapping[str, Path]) -> Iterator[tuple[str, Verdict]]:
        """Yields the verdict on each file."""
        for name, file in files.items():
            try:
                session = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
                session.run(None, {session.get_inputs()[0].name: subject.canvases})
            except Exception as error:  # onnxruntime's exceptions share no public base class
                yield name, Verdict(True, first_line(error))
            else:
                yield name, Verdict(False)


@dataclass(frozen=True, slots=True)
class TorchTool:
    """`torch.onnx.verification.verify_onnx_program`, given pictures."""

    name: str = "torch.onnx"
    compares: str = "graphs"
    claims: str = (
        f"`verify_onnx_program`: largest difference between program and file, here on a batch of "
        f"pictures; no verdict, so over {LIMIT:g} counts as noticed"
    )

    def open(self, cache: Path) -> dict[str, str]:
        """Returns versions."""
        return {"torch": version("torch"), "onnxscript": version("onnxscript")}

    def judge(self, subject: Subject, files: Mapping[str, Path]) -> Iterator[tuple[str, Verdict]]:
        """Yields the verdict on each file."""
        canvases = torch.from_numpy(subject.canvases)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program: Any = torch.onnx.export(
                fold_batch_norms(subject.checkpoint.network),
                (canvases[:2],),
                dynamo=True,
                input_names=["image"],
                output_names=["boxes", "scores"],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                verbose=False,
            )
            for name, file in files.items():
                yield name, self._one(program, file, canvases)

    def _one(self, program: Any, file: Path, canvases: torch.Tensor) -> Verdict:
        program.model = onnx_ir.from_proto(onnx.load(file))
        program.release()
        try:
            found = verify_onnx_program(program, args=(canvases,))
        except Exception as error:  # whatever the comparison of two shapes raises
            return Verdict(True, first_line(error))
        worst = max(found, key=lambda info: info.max_abs_diff)
        within = all(info.max_abs_diff <= LIMIT for info in found)
        return Verdict(not within, f"{worst.name} {worst.max_abs_diff:.3g}")


def installed_tools() -> list[Tool]:
    """Returns those that need no installation."""
    return [CheckerTool(), RuntimeTool(), TorchTool()]
