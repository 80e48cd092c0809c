"""Damage to a package: its JSON, its pictures, and other things in the place of a file."""

import os
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from .damage import DAMAGES
from .texts import damage_json


def _json(name: str) -> Callable[[Path, Random], None]:
    def damage(folder: Path, random: Random) -> None:
        path = folder / name
        text = damage_json(path.read_text("utf-8"), random)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))

    return damage


def _json_bytes(folder: Path, random: Random) -> None:
    path = folder / random.choice(("parity.json", "golden/golden.json"))
    path.write_bytes(random.choice(list(DAMAGES.values()))(path.read_bytes(), random))


def _picture(folder: Path, random: Random) -> None:
    path = random.choice(sorted(folder.glob("golden/*.png")))
    path.write_bytes(random.choice(list(DAMAGES.values()))(path.read_bytes(), random))


def _picture_size(folder: Path, random: Random) -> None:
    """Writes a header, with its checksum, that declares another size."""
    path = random.choice(sorted(folder.glob("golden/*.png")))
    content = bytearray(path.read_bytes())
    side = random.choice((0, 1, 100, 5000, 65_535, 2**31 - 1, 2**32 - 1))
    struct.pack_into(">I", content, random.choice((16, 20)), side)
    struct.pack_into(">I", content, 29, zlib.crc32(content[12:29]))
    path.write_bytes(content)


def _other_things(folder: Path, random: Random) -> None:
    """Puts a pipe, folder, device, outward link, loop of links, unreadable or huge file there."""
    pictures = [str(path.relative_to(folder)) for path in sorted(folder.glob("golden/*.png"))]
    names = ("model.onnx", "parity.json", "golden/golden.json", "golden", random.choice(pictures))
    path = folder / random.choice(names)
    target = folder / "was"
    path.rename(target)
    what = random.randrange(7)
    if what == 0:
        os.mkfifo(path)
    elif what == 1:
        path.mkdir()
    elif what == 2:
        path.symlink_to(random.choice(("/dev/zero", "/dev/tty", "/proc/self/mem", "/etc/passwd")))
    elif what == 3:
        path.symlink_to(path.name)
    elif what == 4:
        path.symlink_to(f"../../{'x' * random.choice((1, 300))}")
    elif what == 5:
        with path.open("wb") as file:
            file.truncate(random.choice((20 * 2**20, 2**33, 2**40)))
    else:
        path.symlink_to(target)


def _too_many(folder: Path, random: Random) -> None:
    for index in range(random.choice((1, 300))):
        (folder / "golden" / f"more-{index}.png").touch()


PACKAGE_DAMAGES: Mapping[str, Callable[[Path, Random], None]] = {
    "parity.json": _json("parity.json"),
    "golden.json": _json("golden/golden.json"),
    "bytes of JSON": _json_bytes,
    "bytes of a picture": _picture,
    "size of a picture": _picture_size,
    "pipes, links, devices, folders": _other_things,
    "more pictures": _too_many,
}
"""Kinds of damage, by name."""
