"""A CUDA that is not there: a session of the CPU that says it is CUDA's, and does as asked."""

import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from spotlet.check import check_model
from spotlet.check.cross_checks import DETECTION_RULE, TENSOR_RULE, compare_with_cpu
from spotlet.check.probe import synthetic_canvases
from spotlet.check.tolerances import FP32_TOLERANCE, INT8_TOLERANCE, GoldenTolerance
from spotlet.cli import main
from spotlet.detector import Detector
from spotlet.errors import ModelFileError, UsageError
from spotlet.model import providers
from spotlet.model.opening import RECORD_KEY
from spotlet.model.package import bundled_models
from spotlet.model.plugins import Plugin
from spotlet.model.providers import (
    CPU_PROVIDER,
    PACKAGES,
    REMOTE_PROVIDERS,
    ProviderUse,
    full_provider_name,
    library_fault,
    remedy,
    usable_providers,
)
from spotlet.session import ModelSession, SessionSettings

CUDA = "CUDAExecutionProvider"
STRICT = SessionSettings(provider="CUDA", strict_provider=True)
PROBE_RULE = "synthetic canvases match the export"

Accelerate = Callable[..., list["_Node"]]


class _Node:
    """A session that was asked of the fake, as tests look at it."""

    def __init__(self, providers: Any, options: Any) -> None:
        self.providers, self.options = providers, options
        self.fallback = True


@pytest.fixture
def accelerate(monkeypatch: pytest.MonkeyPatch) -> Accelerate:
    """Lets onnxruntime have a CUDA, until the test ends; returns the sessions that it opens."""
    real = ort.InferenceSession
    available = [CUDA, *ort.get_available_providers()]

    def start(
        *,
        fault: str | None = None,
        left_out: bool = False,
        prints: str | None = None,
        shares: Mapping[str, int] | None = None,
        lower_by: float = 0.0,
    ) -> list[_Node]:
        opened: list[_Node] = []

        class Session:
            def __init__(self, path: str, options: Any, providers: Any = None, **_: object) -> None:
                first = providers[0]
                self._accelerated = isinstance(first, tuple) and first[0] == CUDA
                self.node = _Node(providers, options)
                if self._accelerated:
                    opened.append(self.node)
                    if fault is not None:
                        raise RuntimeError(fault)
                    if prints is not None:
                        sys.stdout.write(prints)
                self._inner = real(path, options, providers=[CPU_PROVIDER])
                self.get_inputs, self.get_outputs = self._inner.get_inputs, self._inner.get_outputs
                self.get_modelmeta = self._inner.get_modelmeta

            def get_providers(self) -> list[str]:
                listed = self._accelerated and not left_out and prints is None
                return [CUDA, CPU_PROVIDER] if listed else [CPU_PROVIDER]

            def disable_fallback(self) -> None:
                self.node.fallback = False

            def run(self, names: list[str], feeds: Any) -> list[Any]:
                boxes, scores, *more = self._inner.run(names, feeds)
                if self._accelerated:
                    scores = np.clip(scores - np.float32(lower_by), 0, 1)
                return [boxes, scores, *more]

        if shares is not None:

            class Part:
                def __init__(self, name: str, count: int) -> None:
                    self.ep_name, self.count = name, count

                def get_nodes(self) -> list[object]:
                    return [object()] * self.count

            Session.get_provider_graph_assignment_info = lambda _: [  # type: ignore[attr-defined]
                part
                for name, count in shares.items()
                for part in (Part(name, count - count // 2), Part(name, count // 2))
            ]
        monkeypatch.setattr(ort, "InferenceSession", Session)
        monkeypatch.setattr(ort, "get_available_providers", lambda: available)
        return opened

    return start


def test_the_nodes_that_each_provider_got_are_reported(
    accelerate: Accelerate, squares_model: Path
) -> None:
    opened = accelerate(shares={CUDA: 61, CPU_PROVIDER: 3})
    session = ModelSession(squares_model, STRICT)
    assert session.provider == CUDA
    assert session.provider_use == ProviderUse(
        asked=CUDA, got=CUDA, nodes={CUDA: 61, CPU_PROVIDER: 3}
    )
    assert session.provider_use.text == "CUDA requested, CUDA used: 61 of 64 nodes, 3 on the CPU"
    (node,) = opened
    assert node.providers == [(CUDA, {"use_tf32": "0"}), CPU_PROVIDER]
    assert node.options.get_session_config_entry(RECORD_KEY) == "1"
    assert not node.fallback, "onnxruntime may go over to the CPU at a frame"


def test_an_onnxruntime_that_does_not_report_nodes_is_not_a_fault(
    accelerate: Accelerate, squares_model: Path
) -> None:
    accelerate()
    use = ModelSession(squares_model, STRICT).provider_use
    assert use == ProviderUse(asked=CUDA, got=CUDA)
    assert use.text.endswith("CUDA used: this onnxruntime does not report the nodes")


def test_a_session_for_the_cpu_records_nothing(squares_model: Path) -> None:
    use = ModelSession(squares_model).provider_use
    assert use == ProviderUse(asked=CPU_PROVIDER, got=CPU_PROVIDER)
    assert use.text == "CPU"


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (
            {"fault": "CUDA failure 999\nat line 7"},
            "onnxruntime cannot create a session with it (CUDA failure 999)",
        ),
        (
            {"prints": "*** EP Error ***\nEP Error CUDA failure 35 when using CUDA\nFalling back"},
            "onnxruntime cannot create a session with it (EP Error CUDA failure 35 when using "
            "CUDA)",
        ),
        ({"left_out": True}, "onnxruntime left it out of the session without a reason"),
        ({"shares": {CPU_PROVIDER: 64}}, "it took none of the 64 nodes"),
    ],
)
def test_a_provider_that_is_not_had_is_said_so_and_refused_where_strict(
    accelerate: Accelerate,
    squares_model: Path,
    capsys: pytest.CaptureFixture[str],
    behaviour: dict[str, Any],
    why: str,
) -> None:
    accelerate(**behaviour)
    session = ModelSession(squares_model, SessionSettings(provider="cuda"))
    assert session.provider == CPU_PROVIDER
    assert session.provider_use == ProviderUse(asked=CUDA, got=CPU_PROVIDER, fallback=why)
    session.run(synthetic_canvases(session.manifest.input.size_hw))
    with pytest.raises(UsageError) as raised:
        ModelSession(squares_model, STRICT)
    text = str(raised.value)
    assert text.startswith(f"provider CUDA: {why}; installed: CPU")
    assert "\n" not in text
    assert capsys.readouterr().out == ""


def test_a_library_that_does_not_load_is_the_reason(
    accelerate: Accelerate,
    squares_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "capi").mkdir()
    for name in ("libonnxruntime_providers_cuda.so", "onnxruntime_providers_cuda.dll"):
        (tmp_path / "capi" / name).write_bytes(b"this is no library")
    accelerate(left_out=True)
    monkeypatch.setattr(ort, "__file__", str(tmp_path / "__init__.py"))
    fault = library_fault(CUDA)
    assert fault is not None
    assert library_fault("TensorrtExecutionProvider") is None
    use = ModelSession(squares_model, SessionSettings(provider="CUDA")).provider_use
    assert use.fallback == f"its library does not load ({fault})"


def test_a_damaged_file_is_not_laid_to_the_provider(accelerate: Accelerate, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"this is no model")
    accelerate(fault="protobuf")
    with pytest.raises(ModelFileError, match="not a complete ONNX file"):
        ModelSession(path, STRICT)


def test_run_reports_in_one_line_what_was_got(
    accelerate: Accelerate,
    squares_model: Path,
    moving_square: Callable[..., Any],
    write_clip: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clip = write_clip(tmp_path / "clip.avi", moving_square(2))
    words = ["run", str(squares_model), str(clip)]

    def printed(*more: str) -> list[str]:
        assert main([*words, *more]) == 0
        lines = capsys.readouterr().err.splitlines()
        return [line for line in lines if line.startswith("provider")]

    assert printed() == []
    assert printed("--debug") == ["provider: CPU"]
    accelerate(shares={CUDA: 9})
    assert printed("--provider", "cuda") == ["provider: CUDA requested, CUDA used: all 9 nodes"]
    accelerate(shares={CPU_PROVIDER: 9})
    assert printed("--provider", "cuda") == [
        "provider: CUDA requested, CPU used: it took none of the 9 nodes"
    ]
    assert main([*words, "--provider", "cuda", "--strict-provider"]) == 2
    assert "it took none of the 9 nodes; installed: CPU" in capsys.readouterr().err


def test_info_and_check_report_what_was_got(
    accelerate: Accelerate, squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", str(squares_model)]) == 0
    assert "asked" not in capsys.readouterr().out
    accelerate(shares={CUDA: 8, CPU_PROVIDER: 1})
    share = "CUDA requested, CUDA used: 8 of 9 nodes, 1 on the CPU"
    assert main(["info", str(squares_model), "--provider", "CUDA"]) == 0
    assert share in capsys.readouterr().out
    assert main(["check", str(squares_model), "--provider", "CUDA"]) == 0
    printed = capsys.readouterr().out
    assert f"  note  provider: {share}" in printed
    assert "  note  tolerance: as on the CPU, tensors within 0.0001" in printed
    assert f"  ok    {TENSOR_RULE}: largest difference 0, allowed 0.0001" in printed


@pytest.mark.parametrize(("lower_by", "failed"), [(0.00005, []), (0.0005, [TENSOR_RULE])])
def test_a_provider_that_computes_otherwise_fails_without_a_record_too(
    accelerate: Accelerate, squares_model: Path, lower_by: float, failed: list[str]
) -> None:
    accelerate(lower_by=lower_by)
    assert [row.rule for row in check_model(squares_model, STRICT).failures] == failed


def test_boxes_that_are_elsewhere_are_not_candidates_of_the_cpu(squares_model: Path) -> None:
    detector = Detector(squares_model)
    canvases = synthetic_canvases(detector.manifest.input.size_hw)
    outputs = [detector.outputs(canvas, canvas=canvas) for canvas in canvases]
    wide = GoldenTolerance(1.0, 0.001, 0.99)
    assert all(row.passed for row in compare_with_cpu(detector, outputs, wide))
    moved = [replace(each, boxes=np.clip(each.boxes + 0.2, 0, 1)) for each in outputs]
    rows = compare_with_cpu(detector, moved, wide)
    assert [row.rule for row in rows if not row.passed] == [DETECTION_RULE]
    fewer = [replace(each, boxes=each.boxes[:1], scores=each.scores[:1]) for each in outputs]
    (row,) = compare_with_cpu(detector, fewer, wide)
    assert not row.passed
    nothing = [replace(each, scores=np.full_like(each.scores, np.nan)) for each in outputs]
    assert not compare_with_cpu(detector, nothing, wide)[0].passed


@pytest.mark.parametrize("lower_by", [0.05, 0.2])
def test_int8_has_a_tolerance_of_its_own_on_another_provider(
    accelerate: Accelerate, lower_by: float
) -> None:
    accelerate(lower_by=lower_by)
    report = check_model("cards", STRICT, variant="int8")
    assert report.passed == (lower_by < 0.15)
    assert "tensors within 0.15, scores 0.1, overlap 0.8" in report.notes[1]
    accelerate(lower_by=0.001)
    assert PROBE_RULE in [row.rule for row in check_model("cards", STRICT).failures]


def test_a_package_with_a_record_is_held_to_it_and_not_to_the_cpu(
    accelerate: Accelerate, tmp_path: Path
) -> None:
    alone = Path(shutil.copy(bundled_models()["cards"] / "model.int8.onnx", tmp_path))
    accelerate()
    rules = {row.rule for row in check_model("cards", STRICT).rows}
    assert PROBE_RULE in rules
    assert TENSOR_RULE not in rules
    report = check_model(alone, STRICT)
    assert {TENSOR_RULE, DETECTION_RULE} <= {row.rule for row in report.rows if row.passed}
    assert "int8" in report.notes[1]


def test_a_loosened_tolerance_allows_what_either_does() -> None:
    mixed = GoldenTolerance(0.5, 0.0, 0.9, canvas=2.0).at_least(INT8_TOLERANCE)
    assert mixed == GoldenTolerance(0.5, 0.05, 0.8, canvas=2.0, ties=True)
    assert FP32_TOLERANCE.at_least(FP32_TOLERANCE) == FP32_TOLERANCE


@pytest.mark.parametrize("name", ["Azure", "azure", *REMOTE_PROVIDERS])
def test_a_provider_that_computes_on_a_server_is_refused(squares_model: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"provider {name}: sends the pictures to a server, and"):
        ModelSession(squares_model, SessionSettings(provider=name))
    assert not set(REMOTE_PROVIDERS) & set(usable_providers())
    with pytest.raises(UsageError) as raised:
        full_provider_name("Abacus")
    assert "Azure" not in str(raised.value)


def test_usable_providers_are_those_that_compute_here_each_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plugin = Plugin("BExecutionProvider", "onnxruntime-ep-b 1.0", "libb.so")
    monkeypatch.setattr(providers, "installed_plugins", lambda: {plugin.provider: plugin})
    available = ["AzureExecutionProvider", "CPUExecutionProvider", "AExecutionProvider"]
    loaded = [*available, "BExecutionProvider", "BExecutionProvider.AUTO"]
    ours = f"onnxruntime {ort.__version__}"
    for listed in (available, loaded):
        monkeypatch.setattr(ort, "get_available_providers", lambda listed=listed: listed)
        assert usable_providers() == {
            "CPUExecutionProvider": ours,
            "AExecutionProvider": ours,
            "BExecutionProvider": plugin.package,
        }


def test_what_people_call_directml_is_known() -> None:
    assert full_provider_name("DirectML") == full_provider_name("dml") == "DmlExecutionProvider"


def test_a_remedy_names_the_package_that_brings_a_provider() -> None:
    for provider, package in PACKAGES.items():
        if provider not in usable_providers():
            command = r"`pip install (--no-deps )?" + package + "` brings it"
            assert re.search(command, remedy(provider))
    assert "pip install" not in remedy(CPU_PROVIDER)
    assert "no known package on PyPI brings it" in remedy("RknpuExecutionProvider")
