"""Chooses between layouts that fit the same outputs, or names the options that do."""

from collections.abc import Callable

from spotlet_export.adoption.recognition.columns import is_unit
from spotlet_export.adoption.recognition.match import Match
from spotlet_export.adoption.recognition.views import Tensors, Views


def with_shares(found: list[Match], views_of: Callable[[str], Views]) -> list[Match]:
    """Returns the match whose scores are in [0, 1] if only the scores differ, such as logits."""
    if len({(match.layout, match.boxes) for match in found}) > 1 or len(found) < 2:
        return found
    shares = [match for match in found if is_unit(match.class_columns(views_of(match.layout)))]
    return shares if len(shares) == 1 else found


def deciding_line(match: Match, found: list[Match]) -> str:
    """Returns the options that decide for one of several matches."""
    others = [other for other in found if other is not match]
    line = ""
    if any(other.layout != match.layout for other in others):
        line = f"--layout {match.layout}"
    if any(other.layout == match.layout for other in others):
        line = f"{line} --outputs {','.join(match.outputs)}".strip()
    return line


def levels_of(found: list[Match], given: Tensors) -> str:
    """Returns the outputs with the boxes if each has another number of cells, but the same columns.

    One of them alone would miss what the others find.
    """
    two_first = sorted(found, key=lambda match: match.scores is None)
    for layout, classes in dict.fromkeys((match.layout, match.classes) for match in two_first):
        same = {each.boxes for each in found if (each.layout, each.classes) == (layout, classes)}
        if len({given[name].shape for name in same}) > 1:
            return ", ".join(sorted(same))
    return ""
