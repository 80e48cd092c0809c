"""Compares the weights that trainings start from: same sets, recipe and seeds.

    python -m benchmarks.starts SET [SET ...] --start NAME[=PATH] ... --out DIR
        [--seeds 0 1 2] [--epochs 30] [--image-size 320] [--size nano] [--device auto]

Run it from the repository's root, in an environment with `spotlet[export]`. A start is `none`,
`pretrained` or `everyday`, as `--weights` of `spotlet train` takes them, or a name of yours and
the path of a backbone or a checkpoint: `--start pretrained --start new=runs/new/nano.safetensors`
compares the bundled backbone with another. Everything else is the command's default.

A table of AP50 and AP on the validation images, of the best epoch, mean and deviation over the
seeds, is printed; `DIR/starts.json` holds it and every training. Finished trainings stay in DIR
and are not repeated, interrupted ones are resumed; weights with other content are another start.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.peers.comparison import Figure, file_name, remembered
from benchmarks.peers.contender import run_program
from benchmarks.peers.machine import measurement_record
from benchmarks.peers.spotlet_recipe import training_command

from spotlet.atomic import atomic_file
from spotlet.errors import SpotletError, UsageError
from spotlet_training.commands.recipe_options import parse_size
from spotlet_training.commands.set_options import sets_name
from spotlet_training.datasets import open_splits
from spotlet_training.learning.settings import DEVICES, EVERYDAY, NONE, PRETRAINED, TrainingSettings
from spotlet_training.learning.start import find_start
from spotlet_training.network import DetectorSettings, TwoHeadDetector
from spotlet_training.network.pretrained import bundled_backbone, bundled_detector
from spotlet_training.network.settings import SIZES
from spotlet_training.run_folder.state import LAST_STATE, load_state

OURS = ("spotlet", "torch", "numpy", "opencv-python-headless", "faster-coco-eval")


@dataclass(frozen=True, slots=True, kw_only=True)
class Initial:
    """Weights to compare.

    Attributes:
        name: in the table.
        weights: as `--weights` of `spotlet train` takes them.
        sha256: of their file; empty without one.
    """

    name: str
    weights: str
    sha256: str

    @property
    def folder(self) -> str:
        """A name for the folders of its trainings."""
        return f"{file_name(self.name)}-{self.sha256[:8]}".removesuffix("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training.

    Attributes:
        data: name of the set.
        start: name of the initial weights.
        seed: of the training.
        epoch: the best, from 1.
        ap50: of the best epoch on the validation images.
        ap: likewise.
        seconds: of all epochs.
    """

    data: str
    start: str
    seed: int
    epoch: int
    ap50: float
    ap: float
    seconds: float


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.starts", description="initial weights, side by side"
    )
    parser.add_argument("datasets", type=Path, nargs="+", metavar="SET")
    parser.add_argument(
        "--start", action="append", required=True, metavar="NAME[=PATH]", help="repeatable"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of all trainings")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--image-size", default="320", metavar="N|HxW")
    parser.add_argument("--size", choices=SIZES, default="nano")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--threads", type=int, default=0, help="0: of torch's choice [0]")
    return parser.parse_args()


def main() -> int:
    """Runs the trainings that are missing; prints a table and writes `starts.json`."""
    args = parse_arguments()
    try:
        recipe = TrainingSettings(
            size=args.size,
            epochs=args.epochs,
            size_hw=parse_size(args.image_size),
            device=args.device,
        )
        starts = [asked_start(text, args.size) for text in args.start]
        sets = {sets_name([dataset]): dataset for dataset in args.datasets}
        if len(sets) < len(args.datasets) or len({one.name for one in starts}) < len(starts):
            raise UsageError("sets, and starts: must have different names")
        for dataset in sets.values():  # faults are reported before hours of training
            open_splits(dataset)
        runs: list[Run] = []
        for seed, (data, dataset), start in product(args.seeds, sets.items(), starts):
            print(f"{data}, {start.name}, seed {seed} …", file=sys.stderr, flush=True)
            settings = replace(recipe, weights=start.weights, seed=seed)
            folder = args.out / "runs" / data / length(recipe) / f"{start.folder}-seed-{seed}"
            figures = trained(dataset, settings, folder.resolve(), args.threads)
            runs.append(Run(data=data, start=start.name, seed=seed, **figures))
            print(f"  AP50 {runs[-1].ap50:.3f}, AP {runs[-1].ap:.3f}", file=sys.stderr, flush=True)
            with atomic_file(args.out / "starts.json") as temporary:
                temporary.write_text(as_json(runs, starts, recipe), "utf-8")
        print(as_markdown(runs))
    except SpotletError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def asked_start(text: str, size: str) -> Initial:
    """Returns the initial weights that `--start` names.

    Args:
        text: one of the names of `--weights`, or NAME=PATH.
        size: of the network.

    Raises:
        UsageError: it is neither, or there are no such weights for this size.
        CheckpointError: the file cannot be read.
    """
    name, _, path = text.partition("=")
    bundled = {
        EVERYDAY: lambda: bundled_detector(EVERYDAY, size),
        PRETRAINED: lambda: bundled_backbone(size),
    }
    if path:
        file = Path(path).resolve()
        network = TwoHeadDetector(DetectorSettings.of_size(size, 1, (64, 64)))
        start = find_start(str(file), size, ())
        assert start is not None
        start.load_into(network)  # checks the file
    elif name in bundled:
        file = bundled[name]()
        if name == EVERYDAY and file == bundled_backbone(size):
            raise UsageError(f"--start {name}: no such detector is bundled for --size {size}")
    elif name == NONE:
        return Initial(name=name, weights=NONE, sha256="")
    else:
        names = ", ".join((NONE, *bundled))
        raise UsageError(f"--start {text}: must be one of {names}, or NAME=PATH")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Initial(name=name, weights=str(file) if path else name, sha256=digest)


def length(recipe: TrainingSettings) -> str:
    """Returns a name for the folder of trainings that can be compared.

    Example:
        >>> length(TrainingSettings())
        'nano-30-epochs-320x320'
    """
    return f"{recipe.size}-{recipe.epochs}-epochs-{'x'.join(map(str, recipe.size_hw))}"


def trained(
    dataset: Path, settings: TrainingSettings, folder: Path, threads: int
) -> dict[str, Any]:
    """Returns the figures of a training, which is run, or resumed, unless they are in its folder.

    Raises:
        ContenderError: it failed.
    """

    def train() -> dict[str, Any]:
        command = training_command(dataset, settings, folder)
        if (folder / LAST_STATE).is_file():
            command = [*command[:4], dataset.resolve(), "--out", folder, "--resume"]
        folder.mkdir(parents=True, exist_ok=True)
        run_program(command, folder / "train.log", folder=folder, threads=threads)
        epochs = load_state(folder / LAST_STATE).epochs
        best = [epoch for epoch in epochs if epoch.best][-1]
        seconds = round(sum(epoch.seconds for epoch in epochs), 1)
        return {"epoch": best.number, "ap50": best.ap50, "ap": best.ap, "seconds": seconds}

    return remembered(folder / "result.json", train)


def figures_of(runs: Sequence[Run], data: str, start: str) -> tuple[Figure, Figure] | None:
    """Returns AP50 and AP over the seeds of a set and a start; None before its first training."""
    own = [run for run in runs if (run.data, run.start) == (data, start)]
    if not own:
        return None
    return Figure.of([run.ap50 for run in own]), Figure.of([run.ap for run in own])


def as_markdown(runs: Sequence[Run]) -> str:
    """Returns a table with a row for each set and a column for each start."""
    starts = list(dict.fromkeys(run.start for run in runs))
    rows = [["AP50 / AP", *(f"`{start}`" for start in starts)], ["---"] * (len(starts) + 1)]
    for data in dict.fromkeys(run.data for run in runs):
        figures = [figures_of(runs, data, start) for start in starts]
        rows.append([data, *("" if each is None else f"{each[0]} / {each[1]}" for each in figures)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def as_json(runs: Sequence[Run], starts: Sequence[Initial], recipe: TrainingSettings) -> str:
    """Returns the same as JSON, with every training, the machine, the versions and the date."""
    pairs = dict.fromkeys((run.data, run.start) for run in runs)
    summaries = []
    for data, start in pairs:
        figures = figures_of(runs, data, start)
        assert figures is not None
        ap50, ap = map(asdict, figures)
        summaries.append({"data": data, "start": start, "ap50": ap50, "ap": ap})
    content = {
        "schema": 1,
        **measurement_record(OURS),
        "recipe": length(recipe),
        "starts": [asdict(start) for start in starts],
        "summaries": summaries,
        "runs": [asdict(run) for run in runs],
    }
    return json.dumps(content, indent=1) + "\n"


if __name__ == "__main__":
    sys.exit(main())
