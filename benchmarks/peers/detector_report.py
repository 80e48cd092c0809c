"""What detectors do on a labelled set, as Markdown for people and JSON for programs."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.peers.detectors import Program
from benchmarks.peers.empty_runner import SIDE
from benchmarks.peers.machine import measurement_record

from spotlet.evaluation import Accuracy, figure_text

OURS = ("spotlet", "onnxruntime", "numpy", "opencv-python-headless", "faster-coco-eval")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was measured.

    Attributes:
        data: name of the set.
        pictures: how many.
        known: the classes compared, and in how many pictures each is completely labelled.
        least: objects that a class needs to count in the mean.
        programs: at least one.
        accuracy: of each program, by name.
        milliseconds: of a frame, by name.
        pipe_milliseconds: of these, for a runner's pipe; None without a runner.
    """

    data: str
    pictures: int
    known: Mapping[str, int]
    least: int
    programs: Sequence[Program]
    accuracy: Mapping[str, Accuracy]
    milliseconds: Mapping[str, float]
    pipe_milliseconds: float | None

    @property
    def objects(self) -> dict[str, int]:
        """How many objects each class compared has."""
        counts = self.accuracy[self.programs[0].name].per_class_objects
        return {name: counts[name] for name in self.known}

    @property
    def counted(self) -> list[str]:
        """The classes in the mean."""
        return [name for name, count in self.objects.items() if count >= self.least]

    def mean_ap50(self, program: str) -> float | None:
        """Returns the mean of a program's AP50 over the classes that count; None without any."""
        per_class = self.accuracy[program].per_class_ap50
        figures = [per_class[name] or 0.0 for name in self.counted]
        return statistics.mean(figures) if figures else None


def as_markdown(comparison: Comparison) -> str:
    """Returns a table with a column for each program, and how to read it."""
    names = [program.name for program in comparison.programs]
    rows = [["AP50", "objects", "pictures", *names], ["---", *["---:"] * (len(names) + 2)]]
    for name, count in comparison.objects.items():
        figures = [figure_text(comparison.accuracy[each].per_class_ap50[name]) for each in names]
        rows.append([name, f"{count}", f"{comparison.known[name]}", *figures])
    of_all = [figure_text(comparison.mean_ap50(each)) for each in names]
    milliseconds = [f"{comparison.milliseconds[each]:.1f}" for each in names]
    sizes = [f"{program.size_bytes:,}" for program in comparison.programs]
    rows.append([f"**mean of {len(comparison.counted)}**", "", "", *of_all])
    rows.append(["ms a frame, one thread", "", "", *milliseconds])
    rows.append(["bytes", "", "", *sizes])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes(comparison))])


def notes(comparison: Comparison) -> list[str]:
    """Returns what a reader of the table needs to know."""
    measured = measurement_record(OURS)
    versions = ", ".join(f"{name} {version}" for name, version in measured["versions"].items())
    programs = "; ".join(f"{each.name}: {each.about}" for each in comparison.programs)
    lines = [
        f"{comparison.data}: {comparison.pictures} validation pictures; `pictures` are those in "
        "which every object of the class is labelled.",
        f"The mean is over classes with at least {comparison.least} objects: "
        f"{', '.join(comparison.counted) or 'none'}.",
        "Milliseconds: median from a decoded frame to its detections, at the program's own score "
        "threshold; the programs take turns.",
    ]
    if comparison.pipe_milliseconds is not None:
        lines.append(
            f"A runner's include its pipe: {comparison.pipe_milliseconds:.1f} ms for a picture of "
            f"{SIDE} x {SIDE} pixels and a program that computes nothing."
        )
    machine = measured["machine"]
    instructions = ", ".join(machine["instructions"])
    lines.append(f"{programs}.")
    lines.append(f"{machine['processor']} ({instructions}), {versions}, {measured['date']}.")
    return lines


def as_json(comparison: Comparison) -> str:
    """Returns the same as JSON, with AP as well."""
    content = {
        "schema": 1,
        **measurement_record(OURS),
        "set": comparison.data,
        "pictures": comparison.pictures,
        "known": comparison.known,
        "objects": comparison.objects,
        "counted": comparison.counted,
        "pipe_milliseconds": comparison.pipe_milliseconds,
        "programs": [
            {
                "name": each.name,
                "about": each.about,
                "bytes": each.size_bytes,
                "milliseconds": comparison.milliseconds[each.name],
                "mean_ap50": comparison.mean_ap50(each.name),
                **{
                    key: {name: figures[name] for name in comparison.known}
                    for key, figures in (
                        ("ap50", comparison.accuracy[each.name].per_class_ap50),
                        ("ap", comparison.accuracy[each.name].per_class_ap),
                    )
                },
            }
            for each in comparison.programs
        ],
    }
    return json.dumps(content, indent=1) + "\n"
