import json
from pathlib import Path

import onnxruntime as ort
import pytest

from spotlet.errors import UsageError
from spotlet.plugins import (
    OPENVINO,
    Plugin,
    add_plugin,
    installed_plugins,
    provider_options,
)
from spotlet.session import CPU_PROVIDER, ModelSession, SessionSettings, full_provider_name

pytestmark = pytest.mark.skipif(
    not hasattr(ort, "register_execution_provider_library"),
    reason="this onnxruntime takes no plugins",
)

PACKAGE = """
def get_ep_name(): return "AbacusExecutionProvider"
def get_library_path(): return "/nowhere/libabacus.so"
"""


@pytest.fixture
def abacus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plugin:
    """A plugin whose library is not there, beside two packages that are of no use."""
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


def test_a_plugin_whose_library_does_not_load_falls_back_unless_it_is_strict(
    abacus: Plugin, squares_model: Path
) -> None:
    assert full_provider_name("abacus") == abacus.provider
    options = ort.SessionOptions()
    assert not add_plugin(options, abacus, threads=0, reduced_precision=False)
    assert not options.has_providers()
    session = ModelSession(squares_model, SessionSettings(provider="Abacus"))
    assert session.provider == CPU_PROVIDER
    with pytest.raises(UsageError, match="provider Abacus: onnxruntime fell back to the CPU"):
        ModelSession(squares_model, SessionSettings(provider="Abacus", strict_provider=True))


def test_openvino_computes_in_the_files_precision_unless_less_is_allowed() -> None:
    def told(*, threads: int, reduced_precision: bool) -> object:
        given = provider_options(
            OPENVINO, "CPU", threads=threads, reduced_precision=reduced_precision
        )
        return json.loads(given["load_config"]) if given else None

    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    assert told(threads=0, reduced_precision=False) == {"CPU": exact}
    assert told(threads=2, reduced_precision=False) == {
        "CPU": exact | {"INFERENCE_NUM_THREADS": "2"}
    }
    assert told(threads=0, reduced_precision=True) is None
    assert provider_options("XExecutionProvider", "CPU", threads=2, reduced_precision=False) == {}


@pytest.mark.skipif(OPENVINO not in installed_plugins(), reason="no onnxruntime-ep-openvino")
def test_openvino_runs_a_model_when_it_is_installed(squares_model: Path) -> None:
    settings = SessionSettings(provider="OpenVINO", strict_provider=True)
    for _ in range(2):  # its library is loaded once
        assert ModelSession(squares_model, settings).provider == OPENVINO
