"""The comparison itself: every contender on one set, with every seed, in turn."""

import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.peers.contender import Contender, ContenderError, Measures, Plan
from benchmarks.peers.graphs import median_milliseconds

from spotlet.atomic import atomic_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training.

    Attributes:
        contender: its name.
        seed: of its random numbers.
        seconds: wall time of the program that trains, from its start to its end.
        cpu_seconds: processor time of that program and its children.
        measures: the network's results.
    """

    contender: str
    seed: int
    seconds: float
    cpu_seconds: float
    measures: Measures


@dataclass(frozen=True, slots=True)
class Contest:
    """All trainings on one set.

    Attributes:
        plan: the set and the length of training.
        seeds: the requested ones.
        runs: the finished ones.
        failures: what failed, by contender and seed, or by contender alone.
        milliseconds: of one inference of a contender's graph.
    """

    plan: Plan
    seeds: tuple[int, ...]
    runs: list[Run] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)

    def of(self, contender: str) -> list[Run]:
        """Returns the runs of one contender, by seed."""
        return [run for run in self.runs if run.contender == contender]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure over the seeds.

    Attributes:
        mean: over the seeds.
        spread: sample standard deviation; None for one seed.
    """

    mean: float
    spread: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        """Returns mean and spread of at least one value.

        Example:
            >>> str(Figure.of([0.5, 0.7])), str(Figure.of([0.5]))
            ('0.600 ± 0.141', '0.500')
        """
        return cls(mean=mean(values), spread=stdev(values) if len(values) > 1 else None)

    def text(self, digits: int = 3) -> str:
        """Returns mean and spread with `digits` decimals."""
        spread = "" if self.spread is None else f" ± {self.spread:.{digits}f}"
        return f"{self.mean:.{digits}f}{spread}"

    def __str__(self) -> str:
        return self.text()


def compare(
    contenders: Sequence[Contender],
    missing: dict[str, str],
    plan: Plan,
    seeds: Sequence[int],
    work: Path,
    say: Callable[[str], None],
) -> Contest:
    """Returns the results of a set; each contender trains once before any trains again.

    Args:
        contenders: the others are compared with the first.
        missing: why others do not take part, by name.
        plan: the set and the length of training.
        seeds: one training of each contender for each.
        work: folder with one for each training; finished ones are not repeated.
        say: called with progress messages.
    """
    contest = Contest(plan, tuple(seeds), failures=dict(missing))
    length = f"{plan.epochs}-epochs-{plan.image_size}px-{plan.threads}-threads"
    graphs: dict[str, Path] = {}
    for seed in seeds:
        for contender in contenders:
            folder = work / "runs" / plan.name / length / f"{file_name(contender.name)}-seed-{seed}"
            title = f"{plan.name}, {contender.name}, seed {seed}"
            say(f"{title} …")
            try:
                run = _run(contender, plan, seed, folder)
            except ContenderError as error:
                contest.failures[f"{contender.name}, seed {seed}"] = str(error)
                say(f"{title}: {error}")
                continue
            contest.runs.append(run)
            graphs.setdefault(contender.name, folder / run.measures.onnx)
            say(f"{title}: AP {run.measures.ap:.3f}, {run.seconds:.0f} s")
    contest.milliseconds.update(median_milliseconds(graphs, plan.threads))
    return contest


def _run(contender: Contender, plan: Plan, seed: int, folder: Path) -> Run:
    def train() -> dict[str, Any]:
        shutil.rmtree(folder, ignore_errors=True)  # the remains of an interrupted one
        folder.mkdir(parents=True)
        before = os.times()
        contender.train(plan, seed, folder)
        after = os.times()
        children = [times.children_user + times.children_system for times in (before, after)]
        return {"seconds": after.elapsed - before.elapsed, "cpu_seconds": children[1] - children[0]}

    trained = remembered(folder / "trained.json", train)
    measured = remembered(folder / "measured.json", lambda: asdict(contender.measure(plan, folder)))
    return Run(contender=contender.name, seed=seed, measures=Measures(**measured), **trained)


def file_name(name: str) -> str:
    """Returns a contender's name as a folder name.

    Example:
        >>> file_name("Spotlet nano, from scratch")
        'Spotlet-nano-from-scratch'
    """
    return re.sub(r"[^\w.]+", "-", name)


def remembered(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Returns the JSON object in a file, which is made and written now if it does not exist."""
    if not path.is_file():
        content = make()
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return record
