"""The expendable process: makes the damaged files one by one, and loads and runs each."""

import contextlib
import io
import shutil
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import numpy as np

from spotlet import Detector, SpotletError
from spotlet.check import check_model
from spotlet.model import limit_memory
from spotlet.session import SessionSettings

from .damage import DAMAGES
from .graphs import GRAPH_KINDS, damage_graph
from .packages import PACKAGE_DAMAGES
from .seeds import Seed, copy_package, read_seeds

ARENA_BYTES = 512 * 2**20
"""The workers' limit for onnxruntime's tensors."""

KINDS = (*DAMAGES, *GRAPH_KINDS, *PACKAGE_DAMAGES)
"""Kinds of damage, each with the same number of files."""

SMALL_SHARE = 0.5
"""Share of graphs made from the small model, where damage hits more often."""

FRAME = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)


def damaged(index: int, seed: int, seeds: list[Seed], folder: Path) -> tuple[str, str, Path]:
    """Writes the file of this number; returns the kind of damage, the model, and the path."""
    random = Random(seed * 1_000_003 + index)
    kind = KINDS[index % len(KINDS)]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if kind in PACKAGE_DAMAGES:
        packages = [each for each in seeds if each.folder and (each.folder / "golden").is_dir()]
        chosen = random.choice(packages)
        copy_package(chosen, folder)
        PACKAGE_DAMAGES[kind](folder, random)
        return kind, chosen.name, folder
    chosen = seeds[0] if random.random() < SMALL_SHARE else random.choice(seeds)
    path = folder / "model.onnx"
    if kind in DAMAGES:
        path.write_bytes(DAMAGES[kind](chosen.content, random))
        return kind, chosen.name, path
    try:
        content = damage_graph(chosen.model, kind, random)
    except Exception:  # it cannot be written: the kinds of damage do not combine
        content = DAMAGES["bits flipped"](chosen.content, random)
    path.write_bytes(content)
    return kind, chosen.name, path


def try_file(path: Path) -> tuple[str, str]:
    """Returns `loaded`, `refused` or `crashed`, and why."""
    try:
        with np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
            if path.is_dir():
                report = check_model(path, SessionSettings(threads=1))
                return ("loaded", "") if report.passed else ("refused", "check failed")
            detector = Detector(path, session=SessionSettings(threads=1))
            found = detector(FRAME)
            for each in found:
                each.name.encode()
            assert np.isfinite(found.boxes_xyxy).all()
            return "loaded", f"{len(found)} found"
    except SpotletError as error:
        text = str(error)
        if "\n" in text or "\x1b" in text or len(text) > 2000:
            return "crashed", f"error is not one plain line: {text[:200]!r}"
        text.encode()
        return "refused", f"{type(error).__name__}: {text}"
    except BaseException:
        return "crashed", traceback.format_exc()


def work(connection: Connection, folder: Path, seed: int, more: tuple[Path, ...]) -> None:
    """Tries the files with the received numbers until the pipe ends; replies with each outcome."""
    limit_memory(ARENA_BYTES)
    seeds = read_seeds(more)
    Detector("cards", session=SessionSettings(threads=1))(FRAME)
    connection.send(("ready", "", "", 0.0, 0.0))
    while (index := connection.recv()) is not None:
        kind, _, path = damaged(index, seed, seeds, folder)
        connection.send(("begun", kind, "", 0.0, 0.0))
        Path("/proc/self/clear_refs").write_text("5", "ascii")
        started = time.process_time()
        outcome, why = try_file(path)
        seconds = time.process_time() - started
        connection.send((outcome, kind, why, seconds, peak_megabytes()))


def peak_megabytes() -> float:
    """Returns the peak resident memory since the last reset."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise OSError("no VmHWM in /proc/self/status")
