"""Compares Spotlet's training recipe with other nano detectors: same images, epochs, image size.

    python -m benchmarks.training DATASET [DATASET ...] --work DIR [--json OUT]
        [--epochs 30] [--image-size 320] [--seeds 0 1 2] [--threads N]
        [--peers yolo11n yolo26n yolox-n] [--sizes nano] [--from-scratch] [--cache DIR]

Run it from the repository's root, in an environment with `spotlet[export]`. All train on the CPU,
in turn, each with its own program's defaults, and are measured by the same evaluator on the
validation images. All start from scratch; Spotlet also, unless `--from-scratch`, from
its bundled backbone, its default. Peers' pretrained weights would have to be
downloaded from elsewhere and are not used.

Each peer is installed in its own environment below `--cache`, and run as a program; `yolo…`
models are from `ultralytics` (AGPL-3.0), `yolox-…` and `yolo9-…` from `libreyolo` (MIT). A peer
that cannot be installed or fails is named in the table.

Finished results stay in `--work` and are not repeated: after changing a recipe, use a new
folder.
"""

import argparse
import os
import sys
from pathlib import Path

from benchmarks.peers.comparison import compare
from benchmarks.peers.contender import Contender, ContenderError, Plan
from benchmarks.peers.environment import open_environment
from benchmarks.peers.programs import LibreYoloPeer, UltralyticsPeer
from benchmarks.peers.report import as_json, as_markdown
from benchmarks.peers.spotlet_recipe import SpotletRecipe
from benchmarks.peers.yolo_files import write_yolo_set

from spotlet.atomic import atomic_file
from spotlet.errors import SpotletError, UsageError
from spotlet_training.commands.set_options import sets_name
from spotlet_training.datasets import open_splits


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training", description="training recipes, side by side"
    )
    parser.add_argument("datasets", type=Path, nargs="+", metavar="DATASET")
    parser.add_argument("--work", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--json", type=Path, metavar="OUT", help="file to write the figures to")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--image-size", type=int, default=320)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--peers", nargs="*", default=["yolo11n", "yolo26n", "yolox-n"])
    parser.add_argument("--sizes", nargs="*", default=["nano"], help="of Spotlet [nano]")
    parser.add_argument(
        "--from-scratch", action="store_true", help="leave out Spotlet with its bundled backbone"
    )
    parser.add_argument("--cache", type=Path, help="of the environments [WORK/environments]")
    parser.add_argument("--torch", default="2.13.0", help="for the peers [%(default)s]")
    parser.add_argument("--ultralytics", default="8.4.190", help="release [%(default)s]")
    parser.add_argument("--libreyolo", default="1.6.0", help="release [%(default)s]")
    return parser.parse_args()


def main() -> int:
    """Runs the comparison; prints Markdown, and writes the same as JSON."""
    args = parse_arguments()
    try:
        work = args.work.resolve()
        limit_cores(args.threads)
        plans = make_plans(args, work)
        starts = (False,) if args.from_scratch else (False, True)
        contenders: list[Contender] = [
            SpotletRecipe(size, pretrained) for size in args.sizes for pretrained in starts
        ]
        missing: dict[str, str] = {}
        for name in args.peers:
            try:
                contenders.append(open_peer(name, args, work))
            except ContenderError as error:
                missing[name] = f"not installed: {error}"
                say(f"{name}: {missing[name]}")
        contests = [compare(contenders, missing, plan, args.seeds, work, say) for plan in plans]
        print(as_markdown(contests))
        if args.json is not None:
            with atomic_file(args.json) as temporary:
                temporary.write_text(as_json(contests, contenders), "utf-8")
    except SpotletError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def make_plans(args: argparse.Namespace, work: Path) -> list[Plan]:
    """Opens every set and also writes it as YOLO txt.

    Raises:
        UsageError: two sets have the same name.
        DatasetError: a set cannot be read.
    """
    names = [sets_name([dataset]) for dataset in args.datasets]
    if len(set(names)) < len(names):
        raise UsageError(f"sets {', '.join(names)}: must have different names")
    plans = []
    for name, dataset in zip(names, args.datasets, strict=True):
        splits = open_splits(dataset)
        plans.append(
            Plan(
                dataset=dataset,
                name=name,
                splits=splits,
                yolo=write_yolo_set(work / "sets" / name, splits),
                epochs=args.epochs,
                image_size=args.image_size,
                threads=args.threads,
            )
        )
    return plans


def open_peer(name: str, args: argparse.Namespace, work: Path) -> Contender:
    """Returns a peer, installed.

    Raises:
        ContenderError: it cannot be installed.
    """
    cache = args.cache or work / "environments"
    libre = name.startswith(("yolox-", "yolo9-"))
    package = f"libreyolo=={args.libreyolo}" if libre else f"ultralytics=={args.ultralytics}"
    say(f"{name}: {package}")
    environment = open_environment(cache, package, args.torch)
    return (LibreYoloPeer if libre else UltralyticsPeer)(name, environment)


def limit_cores(threads: int) -> None:
    """Limits this program and its children to `threads` cores, if the system supports it."""
    if sys.platform == "linux":
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[:threads])


def say(text: str) -> None:
    """Reports progress on standard error; the table goes to standard output."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
