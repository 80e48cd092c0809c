"""Damage to a file that ignores its content, as by cards, cables and downloads."""

from collections.abc import Callable, Mapping
from random import Random

BLOCK = 4096
"""Bytes that flash memory loses at once."""


def _cut(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content))]


def _cut_in_the_graph(content: bytes, random: Random) -> bytes:
    return content[: max(len(content) - random.randrange(1, 2000), 0)]


def _flip(content: bytes, random: Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 8, 64))):
        damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
    return bytes(damaged)


def _flip_outside_weights(content: bytes, random: Random) -> bytes:
    """Flips bits near readable names, where the structure is, not the weights."""
    places = [at for at in (content.find(b"Conv"), content.find(b"image")) if at >= 0]
    start = random.choice(places) if places else 0
    damaged = bytearray(content)
    for _ in range(random.choice((1, 2, 4))):
        at = min(max(start + random.randrange(-500, 3000), 0), len(damaged) - 1)
        damaged[at] ^= 1 << random.randrange(8)
    return bytes(damaged)


def _lose_a_block(content: bytes, random: Random) -> bytes:
    start = random.randrange(len(content)) // BLOCK * BLOCK
    fill = random.choice((b"\0", b"\xff"))
    lost = content[start : start + BLOCK]
    return content[:start] + fill * len(lost) + content[start + BLOCK :]


def _scramble(content: bytes, random: Random) -> bytes:
    start, length = random.randrange(len(content)), random.randrange(1, 64)
    return content[:start] + random.randbytes(length) + content[start + length :]


def _repeat(content: bytes, random: Random) -> bytes:
    start = random.randrange(len(content))
    part = content[start : start + random.randrange(1, 2 * BLOCK)]
    return content[:start] + part + content[start:]


def _drop(content: bytes, random: Random) -> bytes:
    start = random.randrange(len(content))
    return content[:start] + content[start + random.randrange(1, 200) :]


def _append(content: bytes, random: Random) -> bytes:
    return content + random.randbytes(random.randrange(1, 200))


DAMAGES: Mapping[str, Callable[[bytes, Random], bytes]] = {
    "cut short": _cut,
    "end missing": _cut_in_the_graph,
    "bits flipped": _flip,
    "bits flipped in the structure": _flip_outside_weights,
    "block lost": _lose_a_block,
    "bytes scrambled": _scramble,
    "part repeated": _repeat,
    "part missing": _drop,
    "rubbish appended": _append,
}
"""Kinds of damage, by name."""
