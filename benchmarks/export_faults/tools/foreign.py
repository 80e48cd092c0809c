"""Other projects' checkers, each installed in an environment apart and run as a program."""

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import torch
from benchmarks.export_faults.layouts import as_yolo, with_float_pictures
from benchmarks.export_faults.subject import Subject
from benchmarks.export_faults.tool import Tool, Verdict, first_line
from benchmarks.peers.contender import ContenderError
from benchmarks.peers.environment import Environment, open_environment, open_small_environment
from torch import Tensor, nn

from spotlet_training.network import Network

TORCH = "2.13.0"
SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"

LEAST_DROP = 0.01
"""Of mAP50-95, that a person who compares two printed figures is taken to notice."""


@dataclass(slots=True)
class ForeignTool:
    """One that runs in an environment.

    Attributes:
        name: in the table.
        claims: see `Tool`.
        compares: see `Tool`.
        packages: pinned; the first is the tool.
        environment: after `open`.
    """

    name: str
    claims: str
    compares: str
    packages: tuple[str, ...]
    needs_torch: bool = True
    environment: Environment | None = field(default=None, init=False)

    def open(self, cache: Path) -> dict[str, str]:
        """Installs the tool if need be; returns versions."""
        if self.needs_torch:
            first, *extras = self.packages
            self.environment = open_environment(cache, first, TORCH, extras)
        else:
            self.environment = open_small_environment(cache, self.packages)
        wanted = {re.split(r"[\[=]", each)[0] for each in self.packages} | {"onnxruntime"}
        if self.needs_torch:
            wanted.add("torch")
        return {k: v for k, v in self.environment.versions.items() if k in wanted}

    def run(self, words: list[str | Path], folder: Path, log: str) -> str:
        """Runs one of its programs; returns what it printed."""
        assert self.environment is not None
        return self.environment.run(words, folder / log, folder=folder)

    def judge(self, subject: Subject, files: Mapping[str, Path]) -> Iterator[tuple[str, Verdict]]:
        """Yields the verdict on each file."""
        raise NotImplementedError


class PolygraphyTool(ForeignTool):
    """`polygraphy run`, which compares a file's outputs with saved ones."""

    def judge(self, subject: Subject, files: Mapping[str, Path]) -> Iterator[tuple[str, Verdict]]:
        """Yields the verdict on each file."""
        folder = subject.folder / "polygraphy"
        folder.mkdir(exist_ok=True)
        np.save(folder / "canvases.npy", subject.canvases)
        loader = folder / "loader.py"
        loader.write_text(
            "import numpy as np\n\n\ndef load_data():\n"
            f"    canvases = np.load({str(folder / 'canvases.npy')!r})\n"
            "    for start in range(0, len(canvases), 4):\n"
            "        yield {'image': canvases[start : start + 4]}\n"
        )
        good = folder / "good.json"
        shared: list[str | Path] = ["--onnxrt", "--data-loader-script", loader]
        words: list[str | Path] = ["polygraphy", "run", subject.good, *shared]
        self.run([*words, "--save-outputs", good], folder, "good.log")
        for name, file in files.items():
            words = ["polygraphy", "run", file, *shared, "--load-outputs", good]
            try:
                self.run(words, folder, f"{name}.log")
            except ContenderError:
                text = (folder / f"{name}.log").read_text("utf-8", "replace")
                lines = re.findall(r"^\[[EX]\]\s*(.+)$", text, re.MULTILINE)
                yield name, Verdict(True, first_line((lines or [text])[0]))
            else:
                yield name, Verdict(False)


class UltralyticsTool(ForeignTool):
    """`yolo val` on the file: prints mAP, which a person compares with the other file's."""

    def judge(self, subject: Subject, files: Mapping[str, Path]) -> Iterator[tuple[str, Verdict]]:
        """Yields the verdict on each file."""
        folder = subject.folder / "ultralytics"
        folder.mkdir(exist_ok=True)
        good = self._val(subject, "good", files["good"], folder)
        if not isinstance(good, float):
            raise ContenderError(f"the sound file has no mAP: {good}")
        for name, file in files.items():
            figure = good if name == "good" else self._val(subject, name, file, folder)
            if name == "batch_of_first":
                yield name, Verdict(None, "its exports take one picture at a time by default")
            elif isinstance(figure, float):
                apart = abs(figure - good) >= LEAST_DROP
                yield name, Verdict(apart, f"mAP50-95 {figure:.3g}, sound {good:.3g}")
            else:
                yield name, Verdict(True, figure)

    def _val(self, subject: Subject, name: str, file: Path, folder: Path) -> float | str:
        """Returns mAP50-95, or why there is none."""
        try:
            layout = as_yolo(onnx.load(file))
        except Exception as error:  # a fault that leaves no such layout
            return first_line(error)
        planted = folder / f"{name}.onnx"
        planted.write_bytes(layout.SerializeToString())
        size = subject.checkpoint.network.settings.size_hw[0]
        words: list[str | Path] = [
            "yolo", "detect", "val", f"model={planted}", f"data={subject.yolo}",
            f"imgsz={size}", "device=cpu", "batch=1", "conf=0.05", "plots=False",
            f"project={folder}", "name=val", "exist_ok=True",
        ]  # fmt: skip
        try:
            text = self.run(words, folder, f"{name}.log")
        except ContenderError as error:
            return first_line(error)
        rows = re.findall(r"^\s+all\s+(.+)$", text, re.MULTILINE)
        return float(rows[-1].split()[-1]) if rows else "no line `all`"


class ScriptTool(ForeignTool):
    """One whose check is called by a script, on the network and each file.

    The file takes float pictures, as the tool's own exports do.
    """

    def judge(self, subject: Subject, files: Mapping[str, Path]) -> Iterator[tuple[str, Verdict]]:
        """Yields the verdict on each file."""
        folder = subject.folder / self.packages[0].split("=")[0].split("[")[0]
        folder.mkdir(exist_ok=True)
        network = folder / "network.pt"
        _trace(subject, network)
        words: list[str | Path] = []
        for name, file in files.items():
            planted = folder / f"{name}.onnx"
            planted.write_bytes(with_float_pictures(onnx.load(file)).SerializeToString())
            words.append(f"{name}={planted}")
        size = str(subject.checkpoint.network.settings.size_hw[0])
        script = SCRIPTS / f"{self.name.lower()}_check.py"
        text = self.run([script, network, size, *words], folder, "check.log")
        lines = [json.loads(line) for line in text.splitlines() if line.startswith('["')]
        yield from ((name, Verdict(bool(raised), first_line(raised))) for name, raised in lines)


class FloatNetwork(nn.Module):
    """The network behind float pictures, as `with_float_pictures` does in a graph."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Returns boxes and scores for RGB pictures (N, 3, H, W) in [0, 1]."""
        pixels = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
        boxes, scores = self.network(pixels[..., [2, 1, 0]])
        return boxes, scores


def _trace(subject: Subject, file: Path) -> None:
    network = FloatNetwork(subject.checkpoint.network).eval()
    height, width = subject.checkpoint.network.settings.size_hw
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # TorchScript is deprecated; its files need no code of ours
        traced = torch.jit.trace(network, torch.rand(2, 3, height, width), check_trace=False)  # type: ignore[no-untyped-call]
        traced.save(str(file))


def foreign_tools() -> list[Tool]:
    """Returns the tools that are installed when they are asked for."""
    return [
        PolygraphyTool(
            "Polygraphy",
            "`polygraphy run` of NVIDIA: two files' outputs agree on given inputs, here pictures, "
            "by its default tolerance",
            "graphs",
            ("polygraphy==0.53.6", "onnx==1.23.2", "onnxruntime==1.32.0", "colored==2.3.2"),
            needs_torch=False,
        ),
        UltralyticsTool(
            "Ultralytics",
            "`yolo export` compares nothing; `yolo val conf=0.05` prints a file's mAP, whose "
            f"change by {LEAST_DROP:g} counts as noticed",
            "graphs",
            ("ultralytics==8.4.190", "onnxruntime==1.32.0"),
        ),
        ScriptTool(
            "LibreYOLO",
            "`export_check`: the file's outputs agree with the network's, on one black picture",
            "graphs",
            ("libreyolo==1.6.0", "onnxruntime==1.32.0"),
        ),
        ScriptTool(
            "Optimum",
            "`validate_model_outputs` of `optimum-cli export onnx`: the file's outputs agree with "
            "the network's on two random pictures, within 1e-5",
            "graphs",
            ("optimum-onnx[onnxruntime]==0.1.0", "pillow==13.0.0"),
        ),
    ]
