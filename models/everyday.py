"""Makes the bundled `everyday` detectors: fills in labels, trains, exports.

    python models/everyday.py --data everyday-coco --pictures caltech101 imagenet-sample-images \
        --teacher 'python nanodet_plus.py nanodet-plus-m_416.param nanodet-plus-m_416.bin' \
        --work runs/everyday --sizes nano pico

Every step is a command of Spotlet, which is printed. The same command continues an interrupted one.
"""

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spotlet.atomic import atomic_file
from spotlet.coco_labels import ABSENT_KEY, MORE_KEY, category_rows
from spotlet_training.network.checkpoint import load_checkpoint, save_checkpoint

CLASSES = (
    "person", "bicycle", "car", "motorcycle", "bus", "truck", "cat", "dog", "horse", "sheep",
    "cow", "bird", "bottle", "chair",
)  # fmt: skip
"""COCO's names, in the order of the ids."""

IGNORED_AS = {"ambulance": "truck"}
"""Classes that COCO lacks, and the class as which their objects are ignored: COCO calls some
ambulances cars, some trucks."""

NAMES = {"nano": "everyday", "pico": "everyday-pico", "small": "everyday-small"}
"""The packages, by the size of the network."""

BACKGROUNDS = 4
"""One in this many pictures without a detection is kept."""

CYCLES = (("320", 4e-3, 14), ("288x352", 3.5e-3, 14), ("288x352", 1e-3, 5))
"""Canvas, peak learning rate and epochs of trainings that start from the best epoch of the one
before. Both canvases cost the same, but wide pictures, the usual kind, show larger objects on the
second."""

Rows = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the missing steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="COCO set, train and val")
    parser.add_argument("--pictures", nargs="*", default=[], help="without labels; also films")
    parser.add_argument("--bottles", nargs="*", default=[], help="pictures of nothing but bottles")
    parser.add_argument("--labelled", type=Path, nargs="*", default=[], help="of everyday_sets.py")
    parser.add_argument("--teacher", required=True, help="runner that fills in what is unknown")
    parser.add_argument("--work", type=Path, required=True, help="folder for intermediate results")
    parser.add_argument("--sizes", nargs="+", default=["nano"])
    parser.add_argument("--weights", default="pretrained", help="to start from [%(default)s]")
    parser.add_argument("--processes", type=int, default=1, help="that train together")
    parser.add_argument("--out", type=Path, default=Path("models/spotlet_models"))
    args = parser.parse_args(arguments)
    unlabelled = {"suggested": (CLASSES, args.pictures), "bottles": (("bottle",), args.bottles)}
    labelled = make_set(args.data, unlabelled, args.labelled, args.teacher, args.work)
    for size in args.sizes:
        best = args.weights
        for number, (canvas, rate, epochs) in enumerate(CYCLES, 1):
            out = args.work / f"{size}-{number}"
            options = ["--size", size, "--image-size", canvas, "--learning-rate", rate]
            options += ["--epochs", epochs, "--batch-size", 16, "--cache-gb", 8]
            train(labelled, out, best, options, args.processes)
            best = out / "best.safetensors"
        spotlet(
            "export", best, "--data", labelled, "--int8", "--end-to-end", "--golden", "generated",
            "--notes", "models/notes/everyday.md", "--attach", "docs/bottles.jpg",
            "--out", args.out / NAMES[size],
        )  # fmt: skip
        save_checkpoint(
            load_checkpoint(best), args.out / f"pretrained/everyday-{size}.safetensors", half=True
        )


def make_set(
    data: Path,
    unlabelled: Mapping[str, tuple[Sequence[str], Sequence[str]]],
    labelled: Sequence[Path],
    teacher: str,
    work: Path,
) -> Path:
    """Completes the labels; returns the set to train on.

    Args:
        data: the partially labelled set.
        unlabelled: by folder name, the classes to look for and the pictures.
        labelled: more sets, laid out as `spotlet label` does.
        teacher: command of the runner.
        work: folder for intermediate results.
    """
    out = work / "everyday"
    made_of = json.dumps([data, unlabelled, labelled, teacher], default=str)
    record = work / "made_of.json"
    if record.exists() and record.read_text("utf-8") != made_of:
        sys.exit(f"--work {work}: holds a set of other pictures; give another folder")
    work.mkdir(parents=True, exist_ok=True)
    record.write_text(made_of, "utf-8")
    if not (out / "annotations/train.json").exists():
        write_split(data, "train", work / "own")
        for name, (classes, pictures) in {
            "completed": (CLASSES, [work / "own"]),
            **unlabelled,
        }.items():
            if pictures:
                label = ["label", "--runner", teacher, "--classes", ",".join(classes)]
                spotlet(*label, "--out", work / name, *pictures)
        write_split(data, "val", out)
        join([*(work / name for name in ("completed", *unlabelled)), *labelled], out)
    return out


def train(
    labelled: Path, out: Path, weights: object, options: Sequence[object], processes: int
) -> None:
    """Trains, or continues, unless it is done."""
    if (out / "report").exists():
        return
    started = (out / "last.safetensors").exists()
    start = ["--resume"] if started else ["--weights", weights, "--overwrite"]
    spotlet("train", labelled, "--out", out, *options, *start, processes=processes)


def spotlet(*arguments: object, processes: int = 1) -> None:
    """Prints a command and runs it; ends the program if it fails."""
    command = [sys.executable, "-m", "spotlet", *map(str, arguments)]
    if processes > 1:
        command[1:2] = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "-m"]
    print("+", shlex.join(command), flush=True)
    done = subprocess.run(command, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def write_split(data: Path, split: str, out: Path) -> None:
    """Writes one split of the set with `CLASSES` alone; its pictures are a link."""
    content = json.loads((data / f"annotations/{split}.json").read_text("utf-8"))
    names = {each["id"]: each["name"] for each in content["categories"]}
    new_ids = {old: CLASSES.index(name) + 1 for old, name in names.items() if name in CLASSES}
    ignored = {
        old: CLASSES.index(IGNORED_AS[name]) + 1
        for old, name in names.items()
        if name in IGNORED_AS
    }
    annotations = [
        row
        | {"category_id": (new_ids | ignored)[row["category_id"]]}
        | {"iscrowd": 1 if row["category_id"] in ignored else row.get("iscrowd", 0)}
        for row in content["annotations"]
        if row["category_id"] in new_ids | ignored
    ]
    unsure = {
        (row["image_id"], ignored[row["category_id"]])
        for row in content["annotations"]
        if row["category_id"] in ignored
    }
    unsure -= {(row["image_id"], row["category_id"]) for row in annotations if not row["iscrowd"]}
    for image in content["images"]:
        absent, more = (
            {new_ids[old] for old in image.get(key, []) if old in new_ids}
            for key in (ABSENT_KEY, MORE_KEY)
        )
        unknown = {number for image_id, number in unsure if image_id == image["id"]}
        image[ABSENT_KEY] = sorted(absent - unknown)
        image[MORE_KEY] = sorted(more | unknown)
    save(out, split, content["images"], annotations)
    link = out / split
    if not link.is_symlink():
        link.symlink_to((data / split).resolve())


def join(sets: Sequence[Path], out: Path) -> None:
    """Writes sets that `spotlet label` made as the training split of another.

    Most pictures without an object are left out, unless people labelled them.
    """
    images: list[Rows] = []
    annotations: list[Rows] = []
    (out / "train").mkdir(exist_ok=True)
    for folder in sets:
        if not folder.exists():
            continue
        content = json.loads((folder / "annotations/instances_default.json").read_text("utf-8"))
        new_ids = {each["id"]: CLASSES.index(each["name"]) + 1 for each in content["categories"]}
        rows: dict[int, list[Rows]] = {}
        for row in content["annotations"]:
            rows.setdefault(row["image_id"], []).append(row)
        for image in content["images"]:
            own = rows.get(image["id"], [])
            suggested = image.get("spotlet", {}).get("suggested")
            if suggested and all(row["iscrowd"] for row in own) and image["id"] % BACKGROUNDS:
                continue
            name = f"{folder.name}-{image['file_name']}"
            link = out / "train" / name
            if not link.is_symlink():
                link.symlink_to((folder / "images" / image["file_name"]).resolve())
            lists = {
                key: [new_ids[each] for each in image[key]]
                for key in (ABSENT_KEY, MORE_KEY)
                if key in image
            }
            images.append(image | lists | {"id": len(images) + 1, "file_name": name})
            annotations += [
                row
                | {"id": len(annotations) + number, "image_id": len(images)}
                | {"category_id": new_ids[row["category_id"]]}
                for number, row in enumerate(own, 1)
            ]
    save(out, "train", images, annotations)


def save(out: Path, split: str, images: Sequence[Rows], annotations: Sequence[Rows]) -> None:
    """Writes the label file of a split."""
    categories = category_rows(CLASSES)
    content = {"images": images, "annotations": annotations, "categories": categories}
    file = out / f"annotations/{split}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file) as temporary:
        temporary.write_text(json.dumps(content) + "\n", "utf-8")


if __name__ == "__main__":
    main()
