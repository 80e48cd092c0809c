"""The options of a training's recipe, turned into its settings."""

import argparse
import math
import re
from dataclasses import replace

from spotlet.errors import UsageError
from spotlet.tiles import TileSettings
from spotlet_training.learning.augmentation import FLIPS
from spotlet_training.learning.settings import (
    DEVICES,
    EVERYDAY,
    NONE,
    PRECISIONS,
    PRETRAINED,
    TrainingSettings,
)
from spotlet_training.network.settings import SIZES

DEFAULTS = TrainingSettings()

GB = 1024**3


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options; each is None unless it is given."""
    parser.add_argument("--size", choices=SIZES, help=f"of the network [{DEFAULTS.size}]")
    parser.add_argument("--epochs", type=int, help=f"passes over the images [{DEFAULTS.epochs}]")
    parser.add_argument(
        "--image-size",
        metavar="N|HxW",
        help=f"of the network's canvas, pixels, multiples of 32 [{DEFAULTS.size_hw[0]}]",
    )
    parser.add_argument("--batch-size", type=int, help=f"canvases a step [{DEFAULTS.batch_size}]")
    parser.add_argument(
        "--learning-rate",
        type=float,
        help=f"the peak, for batches of 8 [{DEFAULTS.learning_rate}]",
    )
    parser.add_argument(
        "--seed", type=int, help=f"of weights, order and augmentation [{DEFAULTS.seed}]"
    )
    parser.add_argument(
        "--flips",
        choices=FLIPS,
        help="axes along which your pictures may be mirrored; all: quarter turns too "
        f"[{DEFAULTS.augmentation.flips}]",
    )
    parser.add_argument(
        "--tiles",
        metavar="auto|2x2|SIZE",
        help="also learn from cut-outs as large as the tiles in which the device will search, see "
        f"`spotlet run --tiles` [{DEFAULTS.tiles.layout}]",
    )
    parser.add_argument("--device", choices=DEVICES, help="auto uses CUDA if available [auto]")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="auto uses bfloat16 if the hardware multiplies it [auto]",
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        help="compile the network with torch first; needs a C++ compiler and a minute",
    )
    parser.add_argument(
        "--cache-gb",
        type=float,
        metavar="GB",
        help="memory for decoded training images; validation images get a quarter more "
        f"[{DEFAULTS.cache_bytes / GB:g}]",
    )
    parser.add_argument(
        "--weights",
        metavar="NAME|CHECKPOINT",
        help=f"weights to start from: `{EVERYDAY}` (the bundled detector of everyday things), "
        f"`{PRETRAINED}` (the bundled backbone), a checkpoint or a `spotlet pretrain` file of the "
        f"same size, or `{NONE}` [{DEFAULTS.weights}]",
    )


def asked_settings(args: argparse.Namespace, base: TrainingSettings) -> TrainingSettings:
    """Returns the settings of `base`, replaced by the options given."""
    size, flips, cache_gb = args.image_size, args.flips, args.cache_gb
    if cache_gb is not None and not 0 <= cache_gb < math.inf:
        raise UsageError(f"--cache-gb {cache_gb}: must be a number from 0")
    asked = {
        "size": args.size,
        "weights": args.weights,
        "epochs": args.epochs,
        "size_hw": None if size is None else parse_size(size),
        "batch_size": args.batch_size,
        "learning_rate": args.learning_rate,
        "seed": args.seed,
        "device": args.device,
        "precision": args.precision,
        "compile": args.compile or None,
        "cache_bytes": None if cache_gb is None else round(cache_gb * GB),
        "tiles": None if args.tiles is None else TileSettings(layout=args.tiles),
        "augmentation": None if flips is None else replace(base.augmentation, flips=flips),
    }
    return replace(base, **{name: value for name, value in asked.items() if value is not None})


def parse_size(text: str) -> tuple[int, int]:
    """Returns height and width for `N` or `HxW`.

    Example:
        >>> parse_size("320"), parse_size("256x448")
        ((320, 320), (256, 448))

    Raises:
        UsageError: the text is neither.
    """
    found = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if found is None:
        raise UsageError(f"--image-size {text}: must be a number, or HEIGHTxWIDTH")
    return int(found[1]), int(found[2] or found[1])
