"""Large networks: how far an adoption is, what it does not compute twice, and Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from foreign_frames import make_frame
from foreign_networks import CLASSES, Make, network, save
from onnx import helper, numpy_helper

from spotlet_export import AdoptSettings, adopt_package
from spotlet_export.adoption.listener import Listener
from spotlet_export.adoption.original import decoder as original_decoder

Tensors = dict[str, npt.NDArray[Any]]
CENTRES = Make(layout="4+C,K", box_format="cxcywh")
SAID = ["--classes", ",".join(CLASSES), "--pad-value", "0"]


def test_steps_say_how_far_they_are_and_equal_canvases_are_computed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one image the gate makes 24 frames in 4 shapes; 8 edge cases and 5 canvases come to it.

    White, black and noise are frames and canvases. Recognition decodes the image, and
    mirrored in two ways.
    """
    runs = 0
    honest = original_decoder.run

    def counted(session: ort.InferenceSession, names: list[str], feeds: Tensors) -> Tensors:
        nonlocal runs
        runs += 1
        return honest(session, names, feeds)

    monkeypatch.setattr(original_decoder, "run", counted)
    cv2.imwrite(str(tmp_path / "frame.png"), make_frame("letterbox"))
    steps: dict[str, list[tuple[int, int]]] = {}
    adopt_package(
        save(CENTRES, tmp_path / "foreign.onnx"),
        tmp_path / "package",
        [tmp_path / "frame.png"],
        AdoptSettings(classes=CLASSES, resize="letterbox", pad_value=0),
        Listener(
            on_step=lambda text: steps.setdefault(text, []).clear(),
            on_progress=lambda *counts: steps[list(steps)[-1]].append(counts),
        ),
    )
    told = {text: counts for text, counts in steps.items() if counts}
    assert [text.split()[0] for text in told] == ["running", "rewriting", "comparing"]
    for counts in told.values():
        done, total = counts[-1]
        assert 0 < done <= total
    assert told["comparing tensors and detections of the original and the runtime"][-1] == (32, 32)
    pixels = 2 * 3 + 3  # two colour orders with two copies, three ranges
    assert runs <= 4 + 8 + 5 + 1 + 3 + pixels


@pytest.mark.skipif(os.name == "nt", reason="os.kill ends a process on Windows")
def test_ctrl_c_does_not_wait_for_a_large_network(tmp_path: Path) -> None:
    model = network(CENTRES)
    side, times = 1000, 60
    weights = np.random.default_rng(0).normal(0, side**-0.5, (side, side)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weights, "heavy"))
    end = model.graph.node[-1]
    made = end.output[0]
    end.output[0] = "before"
    shape = numpy_helper.from_array(np.array([side, side]), "side")
    model.graph.initializer.append(shape)
    nodes = [
        helper.make_node("ReduceMax", ["before"], ["most"], keepdims=0),
        helper.make_node("Expand", ["most", "side"], ["heavy_0"]),
    ]
    for turn in range(times):
        nodes.append(helper.make_node("MatMul", [f"heavy_{turn}", "heavy"], [f"heavy_{turn + 1}"]))
    zero = numpy_helper.from_array(np.zeros((), np.float32), "no")
    model.graph.initializer.append(zero)
    nodes += [
        helper.make_node("ReduceMax", [f"heavy_{times}"], ["heaviest"], keepdims=0),
        helper.make_node("Mul", ["heaviest", "no"], ["nothing"]),
        helper.make_node("Add", ["before", "nothing"], [made]),
    ]
    model.graph.node.extend(nodes)
    onnx.save(model, tmp_path / "heavy.onnx")
    cv2.imwrite(str(tmp_path / "frame.png"), make_frame("letterbox"))
    program = "from spotlet.cli import run_process; run_process()"
    words = ["adopt", "heavy.onnx", "--image", "frame.png", "--out", "package", *SAID]
    with (
        subprocess.Popen(
            [sys.executable, "-u", "-c", program, *words],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("preprocessing"):
                break
        time.sleep(0.5)  # it computes now, for some seconds
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        rest = process.stdout.read()
        assert process.wait() == 130, (said, rest)
        assert time.monotonic() - started < 2
    assert rest.splitlines()[-1] == "spotlet adopt: interrupted"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frame.png", "heavy.onnx"]
