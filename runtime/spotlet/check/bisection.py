"""Bisection of a graph: the first node that one side computes differently.

A cut lies after a node and holds every tensor that a later node still reads. If the two sides agree
in all of them at one cut and not at the next, the node in between received the same and returned
something else. So a cut that agrees before one that does not, which is what bisection keeps, leads
to a true finding even if a difference vanishes on its way, as the negative ones do in a `Relu`; one
that has vanished before an agreeing cut harms nothing after it.

Returning tensors changes what a provider fuses. So the node is computed again by itself, from the
reference's inputs, then with nodes before it until they differ.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from spotlet.check.differences import Difference, TensorFacts
from spotlet.check.findings import Comparison, Feeds, Located, Part, Session, Sides, compare
from spotlet.errors import SpotletError
from spotlet.model.graph_parts import GraphParts

EXTRA_RUNS = 5
"""Runs beyond the bisection's log2: the whole graph, and groups of nodes alone."""

FIRST_LEVELS = (0, 2)
"""How many nodes back a group reaches at first: the node alone, then what is usually fused: a
convolution with its activation, or an integer layer with what surrounds it."""


def locate(content: bytes, pictures: Sequence[Feeds], sides: Sides) -> Located | Difference:
    """Returns the first node that the suspect computes differently, or the greatest difference.

    The suspect opens at most log2(nodes) + `EXTRA_RUNS` sessions.

    Args:
        content: of the model file.
        pictures: inputs of the graph, at least one; the one with the largest difference is used.
        sides: who computes.

    Returns:
        The difference if it is below what counts, for every picture.

    Raises:
        ModelFileError: the file breaks a rule, or a side cannot compute it.
        UsageError: the suspect cannot compute the graph with intermediate tensors.
    """
    return _Search(GraphParts.of(content), sides).run(pictures)


@dataclass(slots=True, eq=False)
class _Search:
    """One search."""

    graph: GraphParts
    sides: Sides
    feeds: Feeds = field(default_factory=dict)
    runs: int = 0

    def run(self, pictures: Sequence[Feeds]) -> Located | Difference:
        sessions, outputs = self.open(self.graph.content), self.graph.outputs
        compared = [
            compare(sessions, outputs, feeds, self.sides.share, results=True) for feeds in pictures
        ]
        largest = [max((d.largest for d in each.excessive), default=0.0) for each in compared]
        at = largest.index(max(largest))
        self.feeds, whole = pictures[at], compared[at]
        wrong = [each.tensor for each in whole.excessive]
        order = self.graph.ancestors(wrong)
        if not order:
            return whole.worst
        place, agreed, last = self.bisect(order, wrong, whole)
        of_node = [each for each in last.excessive if each.tensor in self.graph.nodes[place].writes]
        # Returning tensors may have changed another one, which agreed at the cut before.
        difference = max(of_node, key=lambda each: each.share) if of_node else last.worst
        return self.located(difference, agreed, last)

    def bisect(
        self, order: Sequence[int], wrong: Sequence[str], whole: Comparison
    ) -> tuple[int, float, Comparison]:
        """Returns the node before which the sides agree, how closely, and the cut after it.

        Args:
            order: the places of all nodes that the wrong outputs depend on.
            wrong: names of outputs that differ.
            whole: the comparison of all outputs.
        """
        # A cut is the number of nodes before it.
        agreeing, differing, agreed, last = 0, len(order), 0.0, whole
        while differing - agreeing > 1:
            middle = (agreeing + differing) // 2
            names = self.live(order[:middle], order[middle:], wrong)
            sessions = self.open(self.graph.exposing(names))
            cut = compare(sessions, names, self.feeds, self.sides.share)
            if cut.excess > 1:
                differing, last = middle, cut
            else:
                agreeing = middle
                agreed = max((each.share for each in cut.differences), default=0.0)
        return order[agreeing], agreed, last

    def located(self, difference: Difference, agreed: float, last: Comparison) -> Located:
        """Returns the finding for the node that writes a tensor that differs."""
        name = difference.tensor
        node = self.graph.nodes[self.graph.makers[name]]
        part = self.smallest(name)
        alone = part is not None
        if part is None:
            part = Part(
                level=len(self.graph.nodes),
                nodes=self.graph.nodes,
                content=self.graph.exposing([name]),
                feeds=self.feeds,
                wanted={name: last.wanted[name]},
                found={name: last.found[name]},
                difference=difference,
            )
        stored = [each for each in node.reads if each in self.graph.stored]
        return Located(
            node=node,
            total=len(self.graph.nodes),
            difference=difference,
            agreed=agreed,
            part=part,
            alone=alone,
            inputs=tuple(TensorFacts.of(key, each) for key, each in part.feeds.items()),
            weights=tuple(map(self.graph.describe, stored)),
            runs=self.runs,
        )

    def open(self, content: bytes) -> tuple[Session, Session, Session]:
        self.runs += 1
        sides = self.sides
        return sides.reference(content), sides.steady(content), sides.suspect(content)

    def live(self, done: Iterable[int], later: Iterable[int], wrong: Iterable[str]) -> list[str]:
        """Returns the tensors that some nodes write and later ones, or the caller, read."""
        nodes = self.graph.nodes
        read = {name for place in later for name in nodes[place].reads}.union(wrong)
        return [name for place in done for name in nodes[place].writes if name in read]

    def smallest(self, target: str) -> Part | None:
        """Returns a part that ends with a tensor and differs, with as few nodes as were tried."""
        most = int(math.log2(len(self.graph.nodes)) + EXTRA_RUNS)
        levels = self.levels(target)
        deepest = len(levels) - 1
        best, agreeing, level = None, -1, deepest + 1
        for each in (*FIRST_LEVELS, deepest):
            if best is None and agreeing < each <= deepest and self.runs < most:
                best = self.part(target, each, levels[each])
                agreeing, level = (agreeing, each) if best else (each, level)
        while best and level - agreeing > 1 and self.runs < most:
            # The middle of the orders of magnitude: groups are small more often than large.
            middle = min(max(math.isqrt((agreeing + 1) * level), agreeing + 1), level - 1)
            smaller = self.part(target, middle, levels[middle])
            best = smaller or best
            agreeing, level = (agreeing, middle) if smaller else (middle, level)
        return best

    def levels(self, target: str) -> list[set[int]]:
        """Returns the nodes up to each number of steps back from a tensor.

        What does not depend on the picture belongs to the node that reads it, as weights do.
        """
        varying = self.graph.varying()
        found: list[set[int]] = []
        places = {self.graph.makers[target]}
        while not found or places != found[-1]:
            fixed = self.graph.ancestors(
                name
                for place in places
                for name in self.graph.nodes[place].reads
                if name not in varying
            )
            places = places.union(fixed)
            found.append(places)
            places = places | self.graph.before(places)
        return found

    def part(self, target: str, level: int, places: set[int]) -> Part | None:
        """Returns the part with these nodes, up to a tensor, if the sides differ there."""
        graph = self.graph
        written = {name for place in places for name in graph.nodes[place].writes}
        read = {name for place in places for name in graph.nodes[place].reads} - written
        given = {name: each for name, each in self.feeds.items() if name in read}
        needed = sorted(read & graph.makers.keys())
        names = [*needed, target]
        values = self.sides.reference(graph.exposing(names))(names, self.feeds)
        feeds = {**given, **dict(zip(needed, values[:-1], strict=True))}
        try:
            content = graph.extract(places, feeds, {target: values[-1]})
            compared = compare(self.open(content), [target], feeds, self.sides.share)
        except SpotletError:  # such as a provider that takes no group so small
            return None
        if compared.excess <= 1:
            return None
        return Part(
            level=level,
            nodes=tuple(graph.nodes[place] for place in sorted(places)),
            content=content,
            feeds=feeds,
            wanted=compared.wanted,
            found=compared.found,
            difference=compared.worst,
        )
