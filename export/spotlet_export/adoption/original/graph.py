"""Makes of the original's graph one that the runtime loads and that computes the same.

Its nodes are sorted, its functions inlined, its opset brought into range, its loops unrolled or
cut off. What cannot be done is said here, before the user is asked for anything.
"""

from collections.abc import Callable

import onnx
from onnx import inliner

from spotlet.errors import ModelFileError
from spotlet.model.graph_rules import ENDLESS, check_operator
from spotlet.text.plain import first_line
from spotlet_export.adoption.original.suppression import Run, cut_before
from spotlet_export.adoption.original.suppression_rule import SuppressionRule, suppression_rule
from spotlet_export.graph.dependence import Dependence
from spotlet_export.graph.editing import prune, read_by, sort_nodes, subgraphs
from spotlet_export.graph.loops import turn_counter, unroll
from spotlet_export.graph.opsets import opset_of, with_opset

OLDEST_OPSET, NEWEST_OPSET = 11, 21
"""Opsets that are adopted. onnxruntime 1.18, the oldest supported, reads up to 21."""

MOST_TURNS = 16
"""Of a loop that is unrolled: more would make a graph of many thousand nodes."""

Remark = Callable[[str], None]


def flat(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns a model without functions and with sorted nodes.

    Args:
        model: may be changed.

    Raises:
        ModelFileError: nodes wait for each other, or onnx cannot inline the functions.
    """
    try:
        if model.functions:
            model = inliner.inline_local_functions(model)
        sort_nodes(model.graph)
    except Exception as error:  # onnx's raise RuntimeError and others
        raise ModelFileError(f"its nodes cannot be sorted ({first_line(error)})") from error
    return model


def of_known_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns a model with an opset that is adopted.

    Raises:
        ModelFileError: that would change what it computes.
    """
    opset = opset_of(model)
    try:
        return with_opset(model, OLDEST_OPSET, NEWEST_OPSET)
    except ValueError as error:
        if opset > NEWEST_OPSET:
            raise ModelFileError(
                f"opset {opset}; the oldest supported onnxruntime reads up to {NEWEST_OPSET} "
                f"({error}): export it with opset_version={NEWEST_OPSET} or less"
            ) from error
        raise ModelFileError(
            f"opset {opset}, which cannot be converted to {OLDEST_OPSET} ({error}); export it with "
            f"opset_version={OLDEST_OPSET} or more"
        ) from error


def make_loadable(
    model: onnx.ModelProto, image: str, run: Run, on_remark: Remark
) -> SuppressionRule | None:
    """Leaves only operators that the runtime loads; there may be fewer outputs then.

    If no output is left, the graph is cut before its suppression, and its outputs are new ones.

    Args:
        model: of `flat`; is changed.
        image: its input with the picture.
        run: runs models with the inputs of this one.
        on_remark: called with what was changed.

    Returns:
        How the file suppresses, if it was cut before that.

    Raises:
        ModelFileError: nothing is left that could be adopted.
    """
    graph, rule = model.graph, None
    prune(graph)
    _unroll_loops(model, run, on_remark)
    refused = _refused(graph)
    left = [each for each in graph.output if each.name not in refused]
    if refused and not left:
        left = cut_before(model, _endless(graph), image, run)
        if not left:
            raise ModelFileError(
                f"{next(iter(refused.values()))} (all outputs need it, and no boxes and scores of "
                f"all cells enter it; If is supported, and a Loop of a fixed number of turns up to "
                f"{MOST_TURNS})"
            )
        names = " and ".join(each.name for each in left)
        rule = suppression_rule(graph, _endless(graph))
        on_remark(
            "a Loop of the file takes as many turns as the picture needs, as a suppression does: "
            f"cut off before it, where {names} enter it; Spotlet suppresses instead, {rule}"
        )
    elif refused:
        on_remark(f"outputs that need what is not supported are left out: {', '.join(refused)}")
    if refused:
        del graph.output[:]
        graph.output.extend(left)
        prune(graph)
    return rule


def _unroll_loops(model: onnx.ModelProto, run: Run, on_remark: Remark) -> None:
    """Unrolls the loops whose number of turns is fixed, those within a loop after it."""
    stored = {each.name for each in model.graph.initializer}
    given = [each.name for each in model.graph.input if each.name not in stored]
    place, unrolled = 0, list[int]()
    while place < len(model.graph.node):
        if model.graph.node[place].op_type == "Loop" and not Dependence(
            model.graph, given
        ).turns_vary(model.graph.node[place]):
            counter, name = turn_counter(model, place)
            turns = run(counter)[name].size
            if 1 <= turns <= MOST_TURNS:
                unroll(model, place, turns)
                unrolled.append(turns)
                continue  # with the first of its nodes
        place += 1
    if unrolled:
        counts = ", ".join(map(str, sorted(set(unrolled))))
        on_remark(f"unrolled Loops that take as many turns for every picture ({counts})")


def _endless(graph: onnx.GraphProto) -> int:
    """Returns the place of the first loop; the number of nodes if there is none."""
    places = (i for i, node in enumerate(graph.node) if node.op_type in ENDLESS)
    return next(places, len(graph.node))


def _refused(graph: onnx.GraphProto) -> dict[str, str]:
    """Returns why outputs cannot be adopted, by their names: an operator that is not loaded."""
    why: dict[str, str] = {}
    for node in graph.node:
        reason = _reason(node) or next((why[name] for name in read_by(node) if name in why), None)
        if reason is not None:
            why |= dict.fromkeys(filter(None, node.output), reason)
    return {each.name: why[each.name] for each in graph.output if each.name in why}


def _reason(node: onnx.NodeProto) -> str | None:
    try:
        check_operator(node.op_type, node.domain)
    except ModelFileError as error:
        return str(error)
    inner = (each for graph in subgraphs(node) for each in graph.node)
    return next(filter(None, map(_reason, inner)), None)
