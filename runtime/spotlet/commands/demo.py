"""`spotlet demo`: a model on the bundled clips, as a video and figures."""

import argparse
from importlib import resources
from pathlib import Path

from spotlet.commands.demo_counts import count_clips, read_clips
from spotlet.commands.demo_truth import measure_clip, read_truth
from spotlet.commands.options import (
    add_session_arguments,
    add_variant_argument,
    print_provider,
    session_settings,
)
from spotlet.detector import Detector
from spotlet.errors import UsageError
from spotlet.model.package import locate_model
from spotlet.running import RunSettings
from spotlet.text.terminal import write_notice

MODEL_NAME = "everyday"
"""The bundled model for the street clips."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "--out",
        default="out",
        metavar="DIR",
        help="folder for demo.mp4, demo.png and demo.csv [%(default)s]",
    )
    parser.add_argument(
        "--model",
        default=MODEL_NAME,
        help="another model: one with the classes of `garments` plays the clip with known boxes, "
        "any other the street clips [%(default)s]",
    )
    add_variant_argument(parser)
    add_session_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Plays the clips that suit the model, writes them with its results, and prints figures.

    Raises:
        UsageError: no clip suits the model.
        InputError: the installation has no demo, or the folder cannot be written.
    """
    bundled, out = Path(str(resources.files("spotlet_models"))), Path(args.out)
    path = locate_model(args.model, args.variant)
    detector = Detector(path, session=session_settings(args))
    print_provider(detector)
    truths, class_names = read_truth(bundled / "demo" / "truth.json")
    if detector.class_names == class_names:
        measure_clip(detector, bundled / "demo" / "clip.mp4", truths, out)
        return 0
    clips = read_clips(bundled / "clips")
    suitable = [clip for clip in clips if clip.class_name in detector.class_names]
    if not suitable:
        names = ", ".join(clip.class_name for clip in clips)
        raise UsageError(
            f"--model {args.model}: finds none of {names}, nor exactly the classes of `garments`, "
            "so no clip suits it; `spotlet run` takes a video of yours"
        )
    for clip in clips:
        if clip not in suitable:
            write_notice(f"{clip.path.name}: left out, the model has no class {clip.class_name}\n")
    settings = RunSettings(
        model=args.model,
        variant=args.variant,
        sources=[clip.path for clip in suitable],
        session=session_settings(args),
    )
    count_clips(settings, suitable, out)
    return 0
