"""Locating on real files: what is written, and that it shows the difference without Spotlet."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from planted_nodes import on_cpu, random_graph, wrong_by

from spotlet.check.bisection import locate
from spotlet.check.differences import Difference
from spotlet.check.findings import Located, Sides
from spotlet.check.located_files import MARKER, located_lines, write_located
from spotlet.check.locating import locate_difference
from spotlet.check.probe import record_probe
from spotlet.cli import main
from spotlet.detector import Detector
from spotlet.errors import OutputError, UsageError
from spotlet.model import opening
from spotlet.model.package import bundled_models
from spotlet.session import ModelSession, SessionSettings

CPU = SessionSettings()
FILES = ["located.txt", "reproduce.py", "subgraph.onnx", "values.npz"]


def planted(seed: int = 5, place: int = 12) -> Located:
    content, feeds = random_graph(seed)
    target = onnx.load_from_string(content).graph.node[place].output[0]
    suspect = on_cpu(plant=wrong_by(target))
    sides = Sides(reference=on_cpu(), steady=on_cpu("DISABLE_ALL"), suspect=suspect)
    found = locate(content, [feeds], sides)
    assert isinstance(found, Located)
    assert found.difference.tensor == target
    return found


@pytest.fixture
def openvino(monkeypatch: pytest.MonkeyPatch) -> SessionSettings:
    """Settings for OpenVINO in bfloat16, on any processor."""
    options = {"load_config": '{"CPU": {"INFERENCE_PRECISION_HINT": "bf16"}}'}
    settings = SessionSettings(provider="OpenVINO", strict_provider=True, reduced_precision=True)
    path = bundled_models()["cells"] / "model.onnx"

    def given(*_: Any, **__: Any) -> dict[str, str]:
        return options

    monkeypatch.setattr("spotlet.check.located_files.provider_options", given)
    monkeypatch.setattr(opening, "provider_options", given)
    monkeypatch.setattr("spotlet.model.plugins.provider_options", given)
    try:
        ModelSession(path, settings)
    except UsageError as error:
        pytest.skip(str(error))
    return settings


def test_the_files_hold_the_part_its_inputs_and_both_results(tmp_path: Path) -> None:
    found = planted()
    write_located(found, CPU, tmp_path / "located")
    folder = tmp_path / "located"
    assert sorted(each.name for each in folder.iterdir()) == FILES
    part = (folder / "subgraph.onnx").read_bytes()
    onnx.checker.check_model(part, full_check=True)
    with np.load(folder / "values.npz") as values:
        feeds = {name: values[f"input_{place}"] for place, name in enumerate(found.part.feeds)}
        [again] = on_cpu()(part)(list(found.part.wanted), feeds)
        np.testing.assert_array_equal(again, values["reference"])
        gap = np.abs(values["reference"].astype(float) - values["found"]).max()
        assert gap == pytest.approx(found.part.difference.largest)
    text = (folder / MARKER).read_text()
    assert text.startswith(f"{found.node.operator} {found.node.name!r}, node 13 of {found.total}")


def test_an_earlier_finding_is_replaced_and_other_files_are_kept(tmp_path: Path) -> None:
    write_located(planted(), CPU, tmp_path / "located")
    write_located(planted(), CPU, tmp_path / "located")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds other files"):
        write_located(planted(), CPU, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.live
def test_the_program_compares_again_without_spotlet(tmp_path: Path) -> None:
    folder = tmp_path / "located"
    write_located(planted(), CPU, folder)
    printed = subprocess.run(
        [sys.executable, "-I", folder / "reproduce.py"], capture_output=True, text=True, check=True
    ).stdout
    # The fault was planted: onnxruntime has none.
    assert float(printed.splitlines()[0].rpartition(" ")[2]) < 1e-5
    assert printed.splitlines()[1].endswith(f"{planted().part.difference.largest:.6g}")


def test_the_lines_tell_a_node_alone_from_a_group_and_from_the_whole_graph() -> None:
    alone = planted()
    lines = located_lines(alone, CPU)
    assert "the node alone: largest difference " in lines[-2]
    assert lines[-1].startswith("input ")
    group = replace(alone, part=replace(alone.part, level=2))
    assert "smallest graph that differs, " in "\n".join(located_lines(group, CPU))
    assert "the node alone does not differ" in "\n".join(located_lines(group, CPU))
    assert "the whole one" in located_lines(replace(alone, alone=False), CPU)[-1]


def test_a_name_from_a_strangers_file_is_shown_as_plain_text() -> None:
    found = planted()
    node = replace(found.node, name="\x1b[2J", operator="Conv\n")
    assert "\x1b" not in located_lines(replace(found, node=node), CPU)[0]
    assert "\n" not in located_lines(replace(found, node=node), CPU)[0]


def test_the_cpu_computes_the_same_with_its_rewriting_and_without(squares_model: Path) -> None:
    found = locate_difference(squares_model, CPU)
    assert isinstance(found, Difference)
    assert found.share < 1e-5


@pytest.mark.parametrize("variant", ["model.onnx", "model.int8.onnx"])
def test_a_bundled_model_with_golden_frames_has_nothing_to_locate(variant: str) -> None:
    assert isinstance(locate_difference(bundled_models()["cells"] / variant, CPU), Difference)


def test_a_provider_that_is_not_there_is_named(squares_model: Path) -> None:
    with pytest.raises(UsageError, match="provider Tensorrt: "):
        locate_difference(squares_model, SessionSettings(provider="Tensorrt"))


def test_the_command_says_that_a_damaged_record_leaves_nothing_to_locate(
    tmp_path: Path, save_squares_model: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    model = save_squares_model(tmp_path / "model.onnx")
    parity = {"sha256": "0123", "probe": record_probe(Detector(model))}
    (tmp_path / "parity.json").write_text(json.dumps(parity))
    out = tmp_path / "located"
    assert main(["check", str(tmp_path), "--locate", "--out", str(out)]) == 3
    printed = capsys.readouterr()
    assert "nothing to locate: CPU computes what it does without onnxruntime's" in printed.out
    assert not out.exists()
    assert main(["check", str(tmp_path)]) == 3
    assert "--locate" not in capsys.readouterr().out


def test_the_command_refuses_a_folder_with_other_files_before_it_works(
    tmp_path: Path, squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / squares_model.stem).mkdir()
    (tmp_path / squares_model.stem / "mine.txt").touch()
    assert main(["check", str(squares_model), "--locate", "--out", str(tmp_path)]) == 4
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "holds other files" in printed.err
    assert main(["check", str(squares_model), "--out", str(tmp_path)]) == 2
    assert "add --locate" in capsys.readouterr().err


@pytest.mark.live
def test_openvino_in_bfloat16_departs_at_the_first_convolution(
    openvino: SessionSettings, tmp_path: Path
) -> None:
    found = locate_difference(bundled_models()["cells"] / "model.onnx", openvino)
    assert isinstance(found, Located)
    assert (found.node.operator, found.node.place, found.total) == ("Conv", 4, 98)
    assert found.alone
    assert [node.operator for node in found.part.nodes] == ["Conv"]
    assert found.weights[1] == "backbone.stem.0.weight float32 [16, 3, 3, 3]"
    write_located(found, openvino, tmp_path / "located")
    printed = subprocess.run(
        [sys.executable, "-I", tmp_path / "located" / "reproduce.py"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    now, then = (float(line.rpartition(" ")[2]) for line in printed.splitlines())
    assert now == pytest.approx(then, rel=1e-3)


@pytest.mark.usefixtures("openvino")
def test_the_command_locates_and_writes_and_without_locate_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check", "cells", "--variant", "fp32", "--provider", "OpenVINO"]
    assert main(words) == 3
    assert "note  --locate finds the first node" in capsys.readouterr().out
    out = tmp_path / "located"
    assert main([*words, "--locate", "--out", str(out)]) == 3
    assert "Conv 'node_conv2d', node 5 of 98, is the first that OpenVINO" in capsys.readouterr().out
    assert sorted(each.name for each in (out / "model").iterdir()) == FILES
