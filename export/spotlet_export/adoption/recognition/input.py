"""Recognises what a network expects: its image input, the canvas, constants for other inputs."""

from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet.errors import UsageError
from spotlet_export.adoption.metadata import image_size
from spotlet_export.adoption.original.file import DTYPES, OriginalFile, Port
from spotlet_export.adoption.settings import AdoptSettings


def image_port(original: OriginalFile, settings: AdoptSettings) -> Port:
    """Returns the input that takes the image.

    Raises:
        UsageError: there is none or several, its type is not one of an image, or another input has
            no value.
    """
    images = [port for port in original.inputs if len(port.shape) == 4]
    # Networks that take a list of pictures, as torchvision's, have no axis for the batch.
    images = images or [port for port in original.inputs if _is_one_picture(port)]
    listed = ", ".join(map(str, original.inputs)) or "none"
    if len(images) != 1:
        raise UsageError(
            f"{original.path}: {len(images)} inputs with four axes, of {listed}; must be one, the "
            "image"
        )
    others = [
        p.name for p in original.inputs if p is not images[0] and p.name not in settings.fixed
    ]
    if others:
        raise UsageError(
            f"{original.path}: has other inputs too ({listed}); give each a constant value, such "
            f"as --fix {others[0]}={_likely(original, others[0], images[0], settings)}"
        )
    if images[0].dtype not in DTYPES:
        raise UsageError(f"input {images[0]}: its type must be one of {', '.join(DTYPES)}")
    return images[0]


def _likely(original: OriginalFile, name: str, image: Port, settings: AdoptSettings) -> str:
    """Returns numbers for another input: no scale, or width and height of the canvas."""
    if "scale" in name.lower():
        return "1,1"
    try:
        axes = settings.axes or axes_of(image)
        height, width = size_of(original, image, axes, settings)
    except UsageError:
        return "WIDTH,HEIGHT, of the canvas"
    if height == width:
        return f"{width},{height}"
    return f"{width},{height} (width, height) or --fix {name}={height},{width} (height, width)"


def _is_one_picture(port: Port) -> bool:
    return len(port.shape) == 3 and 3 in (port.shape[0], port.shape[2])


def axes_of(image: Port) -> str:
    """Returns the order of the axes, one of `AXES`.

    Raises:
        UsageError: the shape does not determine it.
    """
    second, _, last = image.shape[-3:]
    if (second == 3) == (last == 3):
        if second is None and last is None:
            raise UsageError(f"input {image}: either axis could be the colours; give --axes")
        if second != 3:
            raise UsageError(f"input {image}: must have three channels, first or last")
    return "NCHW" if second == 3 else "NHWC"


def size_of(
    original: OriginalFile, image: Port, axes: str, settings: AdoptSettings
) -> tuple[int, int]:
    """Returns height and width of the canvas, pixels.

    Raises:
        UsageError: they are unknown, or --size contradicts the file.
    """
    sides = image.shape[-2:] if axes == "NCHW" else image.shape[-3:-1]
    wanted = settings.size_hw or image_size(original.metadata) or sides
    size = tuple(side or asked for side, asked in zip(sides, wanted, strict=True))
    if None in size:
        raise UsageError(f"input {image}: its size is free; give --size HEIGHTxWIDTH")
    if settings.size_hw is not None and size != settings.size_hw:
        raise UsageError(f"input {image}: its size is fixed; drop --size")
    return int(size[0] or 0), int(size[1] or 0)


def fixed_values(
    original: OriginalFile, image: Port, settings: AdoptSettings
) -> dict[str, npt.NDArray[Any]]:
    """Returns the constant values of the other inputs, by name.

    Raises:
        UsageError: an input does not exist, or takes another count of numbers.
    """
    ports = {port.name: port for port in original.inputs if port is not image}
    unknown = sorted(set(settings.fixed) - set(ports))
    if unknown:
        raise UsageError(
            f"--fix {unknown[0]}: unknown input; there are {', '.join(ports) or 'no others'}"
        )
    fixed = {}
    for name, numbers in settings.fixed.items():
        shape = [1 if side is None else side for side in ports[name].shape]
        count = int(np.prod(shape))
        # Of a fixed batch, each picture has the same ones.
        if len(numbers) not in (1, count // max([*shape, 1][0], 1), count):
            raise UsageError(f"--fix {name}: {len(numbers)} numbers for {ports[name]}")
        values = list(numbers) * (count // len(numbers))
        fixed[name] = np.array(values, ports[name].dtype).reshape(shape)
    return fixed
