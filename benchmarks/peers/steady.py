"""Whole programs, measured from outside: steady rate, start-up, memory and processor time."""

import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from benchmarks.peers.contender import ContenderError, run_program
from benchmarks.peers.graphs import median_milliseconds
from benchmarks.peers.runners import Runner

METERED = Path(__file__).with_name("metered.py")

BARE_ROUNDS = 1
"""Turns of the bare graphs in each round."""

QUIET = 0.3
"""Processors that other programs may use during a measurement; above it, it is repeated."""

PAUSE_SECONDS = 2.0
"""Wait before a repetition."""

TRIES = 3
"""Attempts per program; if none was quiet, the quietest counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One run of a program on a clip.

    Attributes:
        seconds: from its start to its end.
        first_seconds: from its start to the first frame's result.
        cpu_seconds: processor time.
        megabytes: memory at its peak, 10^6 bytes.
        others: processors that other programs used meanwhile.
        found: objects in all frames.
    """

    seconds: float
    first_seconds: float
    cpu_seconds: float
    megabytes: float
    others: float
    found: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Steady:
    """A program's figures in one round.

    Attributes:
        frames_per_second: without start-up: the additional frames of the long clip over the
            additional time.
        cpu_milliseconds: processor time of a frame, computed in the same way.
        beyond_milliseconds: wall time of a frame less one inference of its graph by a bare
            session, in the same round.
        first_seconds: until the first frame's result, on the short clip.
        megabytes: memory at the long clip's peak.
        others: processors that other programs used meanwhile; the worse of both runs.
        found: objects in the long clip.
    """

    frames_per_second: float
    cpu_milliseconds: float
    beyond_milliseconds: float
    first_seconds: float
    megabytes: float
    others: float
    found: float


@dataclass(frozen=True, slots=True)
class Trial:
    """All rounds of a number of programs.

    Attributes:
        rounds: by a program's name, in the programs' order; each has the same number.
        failures: error messages, by name; such a program is not in any round.
        bare: milliseconds of one inference of a graph by a bare session, by its file, each round.
    """

    rounds: Mapping[str, Sequence[Steady]]
    failures: Mapping[str, str]
    bare: Mapping[str, Sequence[float]]

    def median(self, name: str) -> Steady:
        """Returns the median of each figure over the rounds."""
        taken = self.rounds[name]
        values: dict[str, float] = {
            item.name: statistics.median(getattr(each, item.name) for each in taken)
            for item in fields(Steady)
        }
        return Steady(**values)

    def ratio(self, name: str, other: str, figure: str) -> float:
        """Returns the median over the rounds of a figure's ratio to another program's."""
        pairs = zip(self.rounds[name], self.rounds[other], strict=True)
        ratios: list[float] = [getattr(a, figure) / getattr(b, figure) for a, b in pairs]
        return statistics.median(ratios)


def steady(short: Take, long: Take, more_frames: int, bare_milliseconds: float) -> Steady:
    """Returns a program's figures without start-up, from two runs.

    Args:
        short: run on the short clip.
        long: run on the long one.
        more_frames: that the long one has.
        bare_milliseconds: of one inference of the graph.

    Raises:
        ContenderError: the long run took no longer than the short one: the clips are too short.

    Example:
        >>> rest = {"first_seconds": 0.5, "megabytes": 90, "others": 0, "found": 1}
        >>> short = Take(seconds=1, cpu_seconds=1, **rest)
        >>> long = Take(seconds=2, cpu_seconds=3, **rest)
        >>> figures = steady(short, long, 100, 6.0)
        >>> figures.frames_per_second, figures.cpu_milliseconds, figures.beyond_milliseconds
        (100.0, 20.0, 4.0)
    """
    seconds = long.seconds - short.seconds
    if seconds <= 0:
        raise ContenderError("the long clip took no longer than the short one; give more frames")
    return Steady(
        frames_per_second=more_frames / seconds,
        cpu_milliseconds=(long.cpu_seconds - short.cpu_seconds) / more_frames * 1000,
        beyond_milliseconds=seconds / more_frames * 1000 - bare_milliseconds,
        first_seconds=short.first_seconds,
        megabytes=long.megabytes,
        others=max(short.others, long.others),
        found=long.found,
    )


def alternate(
    runners: Sequence[Runner],
    clips: tuple[Path, Path],
    more_frames: int,
    rounds: int,
    threads: int,
    folder: Path,
    say: Callable[[str], None],
) -> Trial:
    """Runs the programs in turn, round by round.

    Args:
        runners: the programs, with different names.
        clips: the short one and the long one.
        more_frames: that the long one has.
        rounds: of all the programs; one more runs first and does not count, because the
            system's file cache is still cold.
        threads: of a bare session.
        folder: for logs.
        say: called with progress messages.
    """
    graphs = {graph_name(runner.graph): runner.graph for runner in runners}
    taken: dict[str, list[Steady]] = {runner.name: [] for runner in runners}
    bare: dict[str, list[float]] = {name: [] for name in graphs}
    failures: dict[str, str] = {}
    for turn in range(-1, rounds):
        once = median_milliseconds(graphs, threads, BARE_ROUNDS)
        for name, milliseconds in once.items() if turn >= 0 else ():
            bare[name].append(milliseconds)
        for runner in runners:
            if runner.name in failures:
                continue
            try:
                if turn < 0:
                    take(runner, clips[0], folder)
                    continue
                short, long = (quiet_take(runner, clip, folder) for clip in clips)
                figures = steady(short, long, more_frames, once[graph_name(runner.graph)])
            except ContenderError as error:
                failures[runner.name] = str(error)
                say(f"{runner.name}: {error}")
                continue
            taken[runner.name].append(figures)
            say(f"round {turn + 1}, {runner.name}: {figures.frames_per_second:.0f} frames/s")
    whole = {name: figures for name, figures in taken.items() if name not in failures}
    return Trial(whole, failures, bare)


def graph_name(path: Path) -> str:
    """Returns an ONNX file's name in a table.

    Example:
        >>> graph_name(Path("models/cells/model.int8.onnx"))
        'cells/model.int8.onnx'
    """
    return f"{path.parent.name}/{path.name}"


def quiet_take(runner: Runner, clip: Path, folder: Path) -> Take:
    """Runs a program until other programs were idle, at most `TRIES` times; the quietest counts.

    Raises:
        ContenderError: it did not end with 0, or did not report the first frame.
    """
    quietest = take(runner, clip, folder)
    for _ in range(TRIES - 1):
        if quietest.others <= QUIET:
            break
        time.sleep(PAUSE_SECONDS)
        quietest = min(quietest, take(runner, clip, folder), key=lambda each: each.others)
    return quietest


def take(runner: Runner, clip: Path, folder: Path) -> Take:
    """Runs a program once.

    Raises:
        ContenderError: it did not end with 0, or did not report the first frame.
    """
    name = re.sub(r"[^\w.]+", "-", runner.name)
    record, log = folder / f"{name}.json", folder / f"{name}.log"
    command: list[str | Path] = [
        sys.executable, "-S", METERED, record, log, runner.first, *runner.command(clip),
    ]  # fmt: skip
    run_program(command, folder / f"{name}.meter.log", folder=folder, variables=runner.variables)
    content = json.loads(record.read_text("utf-8"))
    text = log.read_text("utf-8", errors="replace")
    if content.pop("code") != 0 or content["first_seconds"] is None:
        said = [line.strip() for line in text.splitlines() if line.strip()]
        raise ContenderError(f"failed: {(said or ['it said nothing'])[-1]}; see {log.name}")
    return Take(found=count_objects(runner.objects, text), **content)


def count_objects(pattern: str, text: str) -> int:
    r"""Returns the number of objects in a program's output; see `Runner.objects`.

    Example:
        >>> count_objects(r"frame \d+: (\d+) objects", "frame 0: 3 objects, frame 1: 4 objects")
        7
    """
    found = re.findall(pattern, text)
    return sum(map(int, found)) if re.compile(pattern).groups else len(found)
