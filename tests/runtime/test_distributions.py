"""Distributions that hold the same module: which they are, and what mends it."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from spotlet.cli import main
from spotlet.distributions import (
    _distributions,
    distributions_of,
    origin,
    overwritten,
    replacing_commands,
    version_of,
)
from spotlet.model.providers import remedy
from spotlet.sinks.window import windows_remedy

Install = Callable[..., None]

GPU_ALONE = (
    "`pip uninstall -y onnxruntime onnxruntime-gpu`, then `pip install --no-deps onnxruntime-gpu`"
)
WINDOWS_ALONE = (
    "`pip uninstall -y opencv-python opencv-python-headless`, "
    "then `pip install --no-deps opencv-python`"
)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Leaves what pip leaves of a distribution with one module, where no other is installed."""

    def write(module: str, *names: str) -> None:
        for name in names:
            info = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            (info / "RECORD").write_text(f"{module}/__init__.py,,\n{info.name}/METADATA,,\n")
        # What RECORD names and is not there does not count, from Python 3.12 on.
        (tmp_path / module).mkdir(exist_ok=True)
        (tmp_path / module / "__init__.py").touch()
        _distributions.cache_clear()

    import_module("csv")  # which importlib.metadata does when it first reads a RECORD
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    yield write
    _distributions.cache_clear()


@pytest.fixture
def two_more(install: Install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two builds of onnxruntime beside what is installed."""
    install("onnxruntime", "onnxruntime", "onnxruntime-gpu")
    monkeypatch.undo()
    monkeypatch.syspath_prepend(str(tmp_path))
    _distributions.cache_clear()


def test_one_distribution_alone_is_as_it_should_be(install: Install) -> None:
    install("cv2", "opencv-python-headless")
    install("onnxruntime", "onnxruntime")
    install("onnxruntime_ep_openvino", "onnxruntime-ep-openvino")
    assert [origin("cv2"), origin("onnxruntime")] == ["opencv-python-headless", "onnxruntime"]
    assert overwritten("cv2") is overwritten("onnxruntime") is None


def test_two_are_named_with_the_two_commands_that_leave_the_one_that_was_wanted(
    install: Install,
) -> None:
    install("cv2", "opencv-python-headless", "opencv-python")
    install("onnxruntime", "onnxruntime", "onnxruntime-gpu")
    assert origin("onnxruntime") == (
        "onnxruntime and onnxruntime-gpu overwrite each other; "
        f"for onnxruntime-gpu alone: {GPU_ALONE}"
    )
    assert overwritten("cv2") == (
        "opencv-python and opencv-python-headless overwrite each other; "
        f"for opencv-python alone: {WINDOWS_ALONE}"
    )


def test_a_build_of_another_maker_is_named_with_what_would_overwrite_it(install: Install) -> None:
    install("onnxruntime", "onnxruntime-gpu")
    assert origin("onnxruntime") == (
        "onnxruntime-gpu, not onnxruntime: install with --no-deps, or pip puts that back over it"
    )
    assert origin("cv2") == "no distribution known to pip"
    assert overwritten("cv2") is None
    assert replacing_commands("cv2", "opencv-python") == "`pip install --no-deps opencv-python`"


def test_the_version_of_a_build_in_anothers_place_is_told_with_its_name(install: Install) -> None:
    install("numpy", "numpy")
    install("onnxruntime", "onnxruntime-gpu")
    versions = [version_of(name) for name in ("numpy", "onnxruntime", "torch")]
    assert versions == ["1.0", "onnxruntime-gpu 1.0", "not installed"]


def test_a_broken_installation_is_no_fault_of_ours(install: Install, tmp_path: Path) -> None:
    install("cv2", "opencv-python")
    (tmp_path / "opencv_python-1.0.dist-info" / "METADATA").write_text("")
    assert distributions_of("cv2") == []


def test_an_advice_to_install_a_build_removes_the_others_first(install: Install) -> None:
    install("cv2", "opencv-python-headless")
    install("onnxruntime", "onnxruntime")
    assert remedy("CUDAExecutionProvider").endswith(
        "; `pip uninstall -y onnxruntime`, then `pip install --no-deps onnxruntime-gpu` brings it"
    )
    assert windows_remedy() == (
        "on a desktop `pip uninstall -y opencv-python-headless`, "
        "then `pip install --no-deps opencv-python`"
    )


def test_windows_come_back_with_the_build_that_was_there(install: Install) -> None:
    install("cv2", "opencv-python-headless", "opencv-contrib-python")
    assert windows_remedy().endswith("then `pip install --no-deps opencv-contrib-python`")


def test_doctor_and_the_provider_line_of_a_run_name_them(
    squares_model: Path, two_more: None, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = Path(__file__).parents[2] / "docs" / "frame.jpg"
    assert main(["doctor"]) == 0
    assert GPU_ALONE in capsys.readouterr().out
    words = ["run", str(squares_model), str(picture), "--ndjson", "-"]
    assert main([*words, "--provider", "CUDA"]) == 0
    told = capsys.readouterr().err.splitlines()
    assert next(line for line in told if line.startswith("onnxruntime: ")).endswith(GPU_ALONE)
    assert main(words) == 0
    assert GPU_ALONE not in capsys.readouterr().err
