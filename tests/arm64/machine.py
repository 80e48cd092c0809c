"""A machine that runs steps: spotlet's commands and tests, bounded in time."""

import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(__file__).with_name("steps.py")

TOTAL_SECONDS = 5400
"""For all steps of one processor: many times what they take on two idle cores."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Something that runs steps.

    Attributes:
        name: of its processor.
        python: that runs there.
        environment: of its processes.
        folder: for what the steps print and write; emptied before they do.
    """

    name: str
    python: Path
    environment: dict[str, str]
    folder: Path


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a step: its exit code, or minus the signal that ended it; what it printed."""

    step: str
    code: int
    seconds: float
    log: Path


def run_steps(machine: Machine, steps: list[str]) -> bool:
    """Runs steps on as many processes as there are cores; returns whether all came out well."""
    shutil.rmtree(machine.folder, ignore_errors=True)
    machine.folder.mkdir(parents=True)
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for step in steps:
        waiting.put(step)
    deadline = time.monotonic() + TOTAL_SECONDS
    workers = len(os.sched_getaffinity(0))
    results = []
    with ThreadPoolExecutor(workers) as pool:
        for each in [pool.submit(_work, machine, waiting, deadline) for _ in range(workers)]:
            results += each.result()
    return all(result.code == 0 for result in results)


def _work(machine: Machine, waiting: "queue.SimpleQueue[str]", deadline: float) -> list[Result]:
    """Takes steps until none is left; a process that was ended is followed by another."""
    results = []
    process = None
    for step in _taken(waiting):
        if time.monotonic() > deadline:
            print(f"{machine.name}: {step}: not run, {TOTAL_SECONDS} s are over")
            results.append(Result(step, -signal.SIGKILL, 0.0, machine.folder))
            continue
        if process is None:
            process = subprocess.Popen(
                [machine.python, PROGRAM], env=machine.environment,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        result = _run_step(process, step, machine.folder, deadline)
        _tell(machine, result)
        results.append(result)
        if process.poll() is not None:
            process = None
    if process is not None:
        process.communicate()
    return results


def _taken(waiting: "queue.SimpleQueue[str]") -> Iterator[str]:
    while True:
        try:
            yield waiting.get_nowait()
        except queue.Empty:
            return


def _run_step(process: "subprocess.Popen[str]", step: str, folder: Path, deadline: float) -> Result:
    assert process.stdin is not None
    assert process.stdout is not None
    words = step.partition(" -")[0].split()
    log = folder / ("-".join(Path(word).stem for word in words) + ".txt")
    started = time.monotonic()
    ended = threading.Timer(deadline - started, process.kill)
    ended.start()
    process.stdin.write(f"{step}\t{log}\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    ended.cancel()
    code = int(answer) if answer else process.wait() or 1
    return Result(step, code, time.monotonic() - started, log)


def _tell(machine: Machine, result: Result) -> None:
    """Prints a step's outcome, with the lines of a check that say what it found."""
    verdict = "ok" if result.code == 0 else f"FAIL (exit code {result.code})"
    if result.code < 0:
        verdict = f"ENDED by {signal.Signals(-result.code).name}"
    lines = [f"{machine.name}: {result.step}: {verdict}, {result.seconds:.0f} s"]
    text = result.log.read_text().splitlines() if result.log.is_file() else []
    if result.step.startswith("check"):
        lines += [f"    {line}" for line in text if not line.startswith("  ok")]
    elif result.code != 0:
        lines += [f"    {line}" for line in text[-20:]]
    print("\n".join(lines), flush=True)
