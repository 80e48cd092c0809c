"""Ours: the gate of `spotlet export`, and `spotlet prove`."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import onnx
from benchmarks.export_faults.subject import Subject
from benchmarks.export_faults.tool import Tool, Verdict, first_line
from benchmarks.peers.contender import ContenderError

from spotlet.errors import SpotletError
from spotlet_export.gate.gate import Gate
from spotlet_export.gate.variants import DEFAULT_BUDGET, FP32_LIMITS, Limits, int8_limits
from spotlet_export.package.describing import make_manifest

NOT_THE_SAME = 3
"""Exit code of `spotlet prove`."""


@dataclass(frozen=True, slots=True)
class GateTool:
    """The gate, which every file of `spotlet export` passes.

    Attributes:
        name: in the table.
        limits: of a variant.
        variant: its name.
    """

    name: str
    limits: Limits
    variant: str
    compares: str = "files"

    @property
    def claims(self) -> str:
        """What it says that it checks."""
        kind = "float noise" if self.limits.exact else "what eight bits may cost"
        return f"the file finds what PyTorch finds, except for {kind}: rules, tensors, files, AP"

    def open(self, cache: Path) -> dict[str, str]:
        """Returns versions."""
        return {"spotlet": version("spotlet"), "onnxruntime": version("onnxruntime")}

    def judge(self, subject: Subject, files: Mapping[str, Path]) -> Iterator[tuple[str, Verdict]]:
        """Yields the verdict on each file."""
        scratch = subject.folder / self.variant
        scratch.mkdir()
        manifest = make_manifest(subject.checkpoint, "garments")
        gate = Gate.of(subject.checkpoint, manifest, subject.pictures, scratch, lambda _: None)
        yield from ((name, self._one(gate, file)) for name, file in files.items())

    def _one(self, gate: Gate, file: Path) -> Verdict:
        try:
            report = gate.prove(self.variant, onnx.load(file), self.limits)
        except SpotletError as error:
            return Verdict(True, first_line(error))
        failed = [f"{row.name} {row.measured:.3g}" for row in report.failures]
        return Verdict(bool(failed), "; ".join(failed[:2]))


@dataclass(frozen=True, slots=True)
class ProveTool:
    """`spotlet prove`, with the causes that it names."""

    name: str = "prove"
    compares: str = "files"
    claims: str = "two files find the same in pictures; names the cause where it fits one"

    def open(self, cache: Path) -> dict[str, str]:
        """Returns versions.

        Raises:
            ContenderError: this version has no such command.
        """
        if importlib.util.find_spec("spotlet_export.commands.prove") is None:
            raise ContenderError("this version has no command `spotlet prove`")
        return {"spotlet": version("spotlet")}

    def judge(self, subject: Subject, files: Mapping[str, Path]) -> Iterator[tuple[str, Verdict]]:
        """Yields the verdict on each file."""
        yield from ((name, self._one(subject, name, file)) for name, file in files.items())

    def _one(self, subject: Subject, name: str, file: Path) -> Verdict:
        out = subject.folder / "prove" / name
        words = [subject.good, file, "--data", subject.coco, "--out", out]
        done = subprocess.run(
            [sys.executable, "-m", "spotlet", "prove", *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, NOT_THE_SAME):
            return Verdict(None, first_line(done.stderr))
        proof = json.loads((out / "proof.json").read_text("utf-8"))
        causes = [each if isinstance(each, str) else json.dumps(each) for each in proof["culprits"]]
        return Verdict(done.returncode == NOT_THE_SAME, first_line("; ".join(causes)))


def gate_tools() -> list[Tool]:
    """Returns ours."""
    return [
        GateTool("gate", FP32_LIMITS, "fp32"),
        GateTool("gate-int8", int8_limits(DEFAULT_BUDGET), "int8"),
        ProveTool(),
    ]
