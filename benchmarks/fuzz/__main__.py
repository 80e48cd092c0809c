"""Damages model files in many ways, and loads and runs each in a separate process.

    python -m benchmarks.fuzz [--files 20000] [--seed 0] [--workers 2] [--out DIR] [MODEL.onnx ...]

A file passes if it is loaded and run on a frame, or refused with a one-line `SpotletError`.
Anything else is kept under `--out` with its number: a process that dies, an exception of another
kind, more than `--limit-seconds`, or memory over `--limit-mb`. `--only NUMBER` repeats one.
Linux only. Exit code 1 if a file did not pass.
"""

import argparse
import contextlib
import multiprocessing
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from spotlet.text.terminal import table

from .worker import KINDS, work

START_SECONDS = 60
"""Limit for a new process to be ready."""


@dataclass(slots=True)
class Tally:
    """Outcomes of the files of a kind."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    peak_mb: float = 0.0


@dataclass(slots=True)
class Worker:
    """A process, and its current file."""

    process: BaseProcess
    pipe: Connection
    folder: Path
    index: int | None = None
    kind: str = ""
    deadline: float = 0.0


class Fuzz:
    """A run: distributes files to processes and collects the outcomes."""

    def __init__(self, args: argparse.Namespace, scratch: Path) -> None:
        self.args = args
        self.scratch = scratch
        self.tallies: dict[str, Tally] = {kind: Tally() for kind in KINDS}
        self.reasons: Counter[str] = Counter()
        self.numbers = iter(
            [args.only] if args.only is not None else _numbers(args.files, args.kind)
        )
        self.started = 0

    def run(self) -> bool:
        """Tries every file; returns whether all passed."""
        workers = [self._start() for _ in range(self.args.workers)]
        while workers:
            ready = wait([worker.pipe for worker in workers], timeout=0.1)
            for worker in list(workers):
                if worker.pipe in ready:
                    outcome = self._hear(worker)
                elif time.monotonic() > worker.deadline:
                    outcome = "hung"
                else:
                    continue
                if outcome in ("died", "hung"):
                    self._bury(worker, outcome)
                    workers.remove(worker)
                    workers.append(worker := self._start())
                elif outcome == "done":
                    workers.remove(worker)
        bad = ("died", "hung", "crashed", "slow", "large")
        return not any(tally.outcomes[each] for tally in self.tallies.values() for each in bad)

    def _start(self) -> Worker:
        mine, theirs = multiprocessing.get_context("spawn").Pipe()
        self.started += 1
        folder = self.scratch / f"worker-{self.started}"
        process = multiprocessing.get_context("spawn").Process(
            target=work, args=(theirs, folder, self.args.seed, tuple(self.args.models)), daemon=True
        )
        process.start()
        theirs.close()
        return Worker(process, mine, folder, deadline=time.monotonic() + START_SECONDS)

    def _hear(self, worker: Worker) -> str:
        """Processes a message; returns what to do with the worker."""
        try:
            outcome, kind, why, seconds, peak = worker.pipe.recv()
        except (EOFError, OSError):
            return "died"
        limit = self.args.limit_seconds
        if outcome == "begun":
            # On a busy machine a file takes longer in wall time, but not in processor time.
            worker.kind, worker.deadline = kind, time.monotonic() + 5 * limit
            return "going on"
        if outcome != "ready":
            if outcome != "crashed" and seconds > limit:
                outcome = "slow"
            elif outcome != "crashed" and peak > self.args.limit_mb:
                outcome = "large"
            tally = self.tallies[kind]
            tally.outcomes[outcome] += 1
            tally.slowest = max(tally.slowest, seconds)
            tally.peak_mb = max(tally.peak_mb, peak)
            if outcome in ("crashed", "slow", "large"):
                self._keep(worker, outcome, f"{why}\n{seconds:.2f} s {peak:.0f} MB")
            elif outcome == "refused":
                self.reasons[_reason(why)] += 1
        worker.index = next(self.numbers, None)
        worker.deadline = time.monotonic() + START_SECONDS  # to write the next file
        if worker.index is not None and worker.index % 1000 == 0:
            print(f"{worker.index} ...", file=sys.stderr)
        worker.pipe.send(worker.index)
        return "going on" if worker.index is not None else "done"

    def _bury(self, worker: Worker, outcome: str) -> None:
        if outcome == "hung":
            worker.process.kill()
        worker.process.join()
        code = worker.process.exitcode or 0
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        if worker.index is None:
            raise SystemExit(f"a worker cannot start: {name}")
        self.tallies[worker.kind].outcomes[outcome] += 1
        self._keep(worker, outcome, name)

    def _keep(self, worker: Worker, outcome: str, why: str) -> None:
        place = self.args.out / f"{outcome}-{worker.index}"
        print(f"{outcome}: file {worker.index}, {worker.kind}: {why}", file=sys.stderr)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        (place / "why.txt").write_text(f"{worker.kind}\n{why}\n", "utf-8", "replace")
        with contextlib.suppress(OSError):
            shutil.copytree(worker.folder, place / "file", symlinks=True, ignore=_pipes)


def _numbers(files: int, kind: str | None) -> range:
    """Returns the numbers of the files: kinds take turns."""
    if kind is None:
        return range(files)
    return range(KINDS.index(kind), files * len(KINDS), len(KINDS))


def _pipes(folder: str, names: list[str]) -> list[str]:
    """Returns the files that cannot be copied: pipes, and large or sparse files."""
    paths = [Path(folder) / name for name in names]
    return [
        path.name
        for path in paths
        if not path.is_symlink() and (path.is_fifo() or path.stat().st_size > 2**28)
    ]


def _reason(why: str) -> str:
    """Returns why a file was refused, without its specific details."""
    text = why.partition(": ")[2].partition(": ")[2] or why
    return text.partition("(")[0][:50].strip()


def main() -> int:
    """Prints a row for each kind of damage; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit-seconds", type=float, default=2.0, help="processor time of a file")
    parser.add_argument("--limit-mb", type=float, default=1536, help="memory of a process")
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"))
    parser.add_argument("--only", type=int)
    parser.add_argument("--kind", choices=KINDS, help="only this kind of damage")
    args = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="spotlet-fuzz-") as scratch:
        fuzz = Fuzz(args, Path(scratch))
        passed = fuzz.run()
    header = ("damage", "files", "refused", "loaded", "crashes", "hangs", "slowest s", "peak MB")
    total = Tally()
    for tally in fuzz.tallies.values():
        total.outcomes += tally.outcomes
        total.slowest = max(total.slowest, tally.slowest)
        total.peak_mb = max(total.peak_mb, tally.peak_mb)
    print(table([_row(*each) for each in [*fuzz.tallies.items(), ("all", total)]], header))
    print(
        "refused most often: " + "; ".join(f"{n} {why}" for why, n in fuzz.reasons.most_common(8))
    )
    print(f"seed {args.seed}, {time.monotonic() - started:.0f} s, {args.workers} workers")
    return 0 if passed else 1


def _row(kind: str, tally: Tally) -> tuple[str, ...]:
    of = tally.outcomes
    numbers = (of.total(), of["refused"], of["loaded"], of["crashed"] + of["died"])
    hangs, large = of["hung"] + of["slow"], "!" * bool(of["large"])
    peak = f"{tally.peak_mb:.0f}{large}"
    return (kind, *map(str, numbers), str(hangs), f"{tally.slowest:.2f}", peak)


if __name__ == "__main__":
    sys.exit(main())
