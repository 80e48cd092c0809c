import json
import shutil
from pathlib import Path

import onnxruntime as ort
import pytest

from spotlet.check import check_model
from spotlet.check.cross_checks import TENSOR_RULE
from spotlet.cli import main
from spotlet.errors import UsageError
from spotlet.model import plugins
from spotlet.model.package import bundled_models
from spotlet.model.plugins import (
    CUDA,
    OPENVINO,
    Plugin,
    add_plugin,
    broken_plugins,
    installed_plugins,
    plugin_devices,
    provider_options,
)
from spotlet.model.providers import CPU_PROVIDER, ProviderUse, full_provider_name, why_absent
from spotlet.session import ModelSession, SessionSettings

pytestmark = pytest.mark.skipif(
    not hasattr(ort, "register_execution_provider_library"),
    reason="this onnxruntime takes no plugins",
)

PROBE_RULE = "synthetic canvases match the export"

CPU_INFO = Path("/proc/cpuinfo")
CPU_FLAGS = CPU_INFO.read_text() if CPU_INFO.is_file() else ""

PACKAGE = """
def get_ep_name(): return "AbacusExecutionProvider"
def get_library_path(): return "/nowhere/libabacus.so"
"""


@pytest.fixture
def abacus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plugin:
    """A plugin whose library is not there, beside two packages that cannot be used."""
    (tmp_path / "onnxruntime_ep_abacus.py").write_text(PACKAGE)
    (tmp_path / "onnxruntime_ep_broken.py").write_text("raise OSError('no such library')")
    (tmp_path / "onnxruntime_ep_empty.py").write_text("")
    info = tmp_path / "onnxruntime_ep_abacus-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: onnxruntime-ep-abacus\nVersion: 1.2"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    name = "AbacusExecutionProvider"
    return Plugin(name, "onnxruntime-ep-abacus 1.2", "/nowhere/libabacus.so")


def test_installed_plugins_are_found_and_broken_ones_left_out(abacus: Plugin) -> None:
    found = installed_plugins()
    assert found[abacus.provider] == abacus
    assert not {"broken", "empty"} & {plugin.package.split("-")[-1] for plugin in found.values()}


def test_what_is_wrong_with_a_package_is_reported_by_its_module(abacus: Plugin) -> None:
    broken = broken_plugins()
    assert broken["onnxruntime_ep_broken"] == "OSError: no such library"
    assert "onnxruntime_ep_empty" in broken
    assert "onnxruntime_ep_abacus" not in broken


def test_a_plugin_whose_library_does_not_load_falls_back_unless_it_is_strict(
    abacus: Plugin, squares_model: Path
) -> None:
    assert full_provider_name("abacus") == abacus.provider
    options = ort.SessionOptions()
    why = add_plugin(options, abacus, threads=0, reduced_precision=False)
    assert why is not None
    assert why.startswith("the library of onnxruntime-ep-abacus 1.2 does not load (")
    assert "/nowhere/libabacus.so" in why
    assert not options.has_providers()
    session = ModelSession(squares_model, SessionSettings(provider="Abacus"))
    assert session.provider == CPU_PROVIDER
    assert session.provider_use == ProviderUse(
        asked=abacus.provider, got=CPU_PROVIDER, fallback=why
    )
    with pytest.raises(UsageError) as raised:
        ModelSession(squares_model, SessionSettings(provider="Abacus", strict_provider=True))
    text = str(raised.value)
    assert text.startswith(f"provider Abacus: {why}; installed: CPU")
    assert "pip install" not in text


def test_a_plugin_without_a_device_is_not_to_be_had(
    abacus: Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    monkeypatch.setattr(
        ort, "register_execution_provider_library", lambda *given: loaded.append(given)
    )
    monkeypatch.setattr(plugins, "_loaded", set())
    for _ in range(2):  # onnxruntime refuses to load it a second time
        devices, why = plugin_devices(abacus)
        assert (devices, why) == ([], "onnxruntime-ep-abacus 1.2 finds no device for it here")
    assert loaded == [(abacus.package, abacus.library)]


@pytest.mark.parametrize("module", ["onnxruntime_ep_qnn", "onnxruntime_qnn"])
def test_a_broken_package_is_reported_if_its_provider_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    (tmp_path / f"{module}.py").write_text("raise OSError('libQnnHtp.so is missing')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert why_absent("QNNExecutionProvider") == (
        f"{module} is installed but cannot be used: OSError: libQnnHtp.so is missing"
    )


def test_doctor_says_where_a_plugin_comes_from_and_that_it_does_not_load(
    abacus: Plugin, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert abacus.provider in found["providers"]
    assert found["provider Abacus"].startswith(
        "onnxruntime-ep-abacus 1.2; cannot be used: the library of onnxruntime-ep-abacus 1.2 does"
    )
    assert found["plugin onnxruntime_ep_broken"] == "cannot be used: OSError: no such library"


def test_openvino_computes_in_the_files_precision_unless_less_is_allowed() -> None:
    def given_openvino(*, threads: int, reduced_precision: bool) -> object:
        given = provider_options(
            OPENVINO, "CPU", threads=threads, reduced_precision=reduced_precision
        )
        return json.loads(given["load_config"]) if given else None

    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    assert given_openvino(threads=0, reduced_precision=False) == {"CPU": exact}
    assert given_openvino(threads=2, reduced_precision=False) == {
        "CPU": exact | {"INFERENCE_NUM_THREADS": "2"}
    }
    assert given_openvino(threads=0, reduced_precision=True) is None
    assert provider_options("XExecutionProvider", "CPU", threads=2, reduced_precision=False) == {}


def test_cuda_is_told_not_to_round_unless_less_is_allowed() -> None:
    exact = provider_options(CUDA, None, threads=2, reduced_precision=False)
    assert exact == {"use_tf32": "0"}
    assert provider_options(CUDA, None, threads=2, reduced_precision=True) == {}
    openvino = provider_options(OPENVINO, None, threads=0, reduced_precision=False)
    assert json.loads(openvino["load_config"]) == {"CPU": {"INFERENCE_PRECISION_HINT": "f32"}}


needs_openvino = pytest.mark.skipif(
    OPENVINO not in installed_plugins(), reason="onnxruntime-ep-openvino is not installed"
)


@needs_openvino
def test_openvino_runs_a_model_when_it_is_installed(squares_model: Path) -> None:
    settings = SessionSettings(provider="OpenVINO", strict_provider=True)
    for _ in range(2):  # its library is loaded once
        use = ModelSession(squares_model, settings).provider_use
        assert (use.asked, use.got, use.fallback) == (OPENVINO, OPENVINO, None)
        assert use.nodes is None or use.nodes[OPENVINO] > 0


@needs_openvino
@pytest.mark.parametrize("reduced", [False, True])
def test_openvino_computes_a_bundled_model_as_the_export_did_but_in_bfloat16(
    tmp_path: Path, reduced: bool
) -> None:
    """Where the processor has no bfloat16, both are exact."""
    alone = Path(shutil.copy(bundled_models()["cards"] / "model.onnx", tmp_path))
    settings = SessionSettings(provider="OpenVINO", strict_provider=True, reduced_precision=reduced)
    for model in ("cards", alone):
        report = check_model(model, settings)
        assert report.provider == OPENVINO
        rounds = reduced and "bf16" in CPU_FLAGS
        assert report.passed != rounds
        if rounds:
            assert {TENSOR_RULE, PROBE_RULE} & {row.rule for row in report.failures}
