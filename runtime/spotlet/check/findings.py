"""What a search for a difference compares, and what it finds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spotlet.check.differences import Difference, TensorFacts, measure
from spotlet.model.graph_parts import Node
from spotlet.model.graph_tensors import Array

NUMBERS = "biuf"
"""numpy's kinds of types that can be compared."""

NOISE_FACTOR = 4
"""How many times the difference between two correct computations is allowed: in eight bits, values
at the edge of a step fall to either side."""

Feeds = Mapping[str, Array]
Session = Callable[[Sequence[str], Feeds], Sequence[Array]]
"""Computes the tensors of these names."""

Opener = Callable[[bytes], Session]
"""Opens a model file's content; raises SpotletError if it cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Who computes.

    Attributes:
        reference: whose results are right.
        steady: computes as correctly in another order: how far the two differ is noise.
        suspect: may compute differently.
        share: the difference that is allowed, in parts of a tensor's range, or more if the
            reference and the steady side differ by more. Float32 computed in another order differs
            by about 1e-6, float16 and TF32 by 2e-4 or more, bfloat16 by 2e-3.
    """

    reference: Opener
    steady: Opener
    suspect: Opener
    share: float = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """A model of some nodes in which the sides differ.

    Attributes:
        level: how many nodes back from the last it reaches; 0 for that one alone, with those that
            do not depend on the picture.
        nodes: that it holds.
        content: of its file.
        feeds: its inputs, as the reference computes them.
        wanted: what the reference computes for them.
        found: what the suspect computes for them.
        difference: the largest.
    """

    level: int
    nodes: tuple[Node, ...]
    content: bytes
    feeds: Feeds
    wanted: Mapping[str, Array]
    found: Mapping[str, Array]
    difference: Difference


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Located:
    """Where the two sides part.

    Attributes:
        node: the first that computes differently.
        total: nodes in the graph.
        difference: of its output in the whole graph.
        agreed: largest difference before the node, in parts of a tensor's range; 0 if nothing
            before it was compared.
        part: the smallest that was found to differ alone; the whole graph, which also returns the
            node's output, if none does.
        alone: whether `part` is less than the whole graph.
        inputs: of `part`.
        weights: stored tensors that the node reads: name, type and shape of each, as text.
        runs: how many sessions the suspect opened.
    """

    node: Node
    total: int
    difference: Difference
    agreed: float
    part: Part
    alone: bool
    inputs: tuple[TensorFacts, ...]
    weights: tuple[str, ...]
    runs: int


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What both sides computed for one picture.

    Attributes:
        wanted: the reference's tensors, by name.
        found: the suspect's tensors, by name.
        differences: of each tensor.
        excesses: each difference in parts of what is allowed.
    """

    wanted: dict[str, Array]
    found: dict[str, Array]
    differences: tuple[Difference, ...]
    excesses: tuple[float, ...]

    @property
    def excess(self) -> float:
        """The largest difference, in parts of what is allowed."""
        return max(self.excesses, default=0.0)

    @property
    def worst(self) -> Difference:
        """The difference that exceeds what is allowed by most."""
        return self.differences[self.excesses.index(self.excess)]

    @property
    def excessive(self) -> tuple[Difference, ...]:
        """The differences that are larger than allowed."""
        found = zip(self.differences, self.excesses, strict=True)
        return tuple(each for each, excess in found if excess > 1)


def compare(
    sessions: tuple[Session, Session, Session],
    names: Sequence[str],
    feeds: Feeds,
    share: float,
    *,
    results: bool = False,
) -> Comparison:
    """Returns what differs in some tensors.

    Args:
        sessions: the reference, the steady side and the suspect.
        names: of the tensors.
        feeds: the inputs.
        share: see `Sides`.
        results: whether the tensors are what the model returns. Boxes and scores are from 0 to 1:
            a score of 1e-6 that is off by half of it harms nobody.

    Raises:
        ModelFileError: a side cannot compute them.
    """
    wanted, again, found = (
        dict(zip(names, session(names, feeds), strict=True)) for session in sessions
    )
    differences, excesses = [], []
    for name in names:
        if not isinstance(wanted[name], np.ndarray) or wanted[name].dtype.kind not in NUMBERS:
            continue  # a sequence or text
        difference = measure(name, wanted[name], found[name])
        noise = measure(name, wanted[name], again[name])
        sizes = [
            min(each.share, each.largest) if results else each.share for each in (difference, noise)
        ]
        differences.append(difference)
        allowed = max(share, NOISE_FACTOR * sizes[1], _step(wanted[name]))
        excesses.append(sizes[0] / allowed if np.isfinite(allowed) else 0.0)
    return Comparison(wanted, found, tuple(differences), tuple(excesses))


def _step(values: Array) -> float:
    """Returns the relative distance of neighbouring numbers in a tensor's type; 0 for integers."""
    return float(np.finfo(values.dtype).eps) if values.dtype.kind == "f" else 0.0
