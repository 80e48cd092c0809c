"""Tells which output holds the scores and which the class ids, by their names and values."""

import re
from collections.abc import Sequence
from itertools import permutations

import numpy as np

from spotlet.errors import UsageError
from spotlet_export.adoption.recognition.columns import is_fractional, is_whole
from spotlet_export.adoption.recognition.views import Views

SCORE_WORDS = re.compile(r"score|conf|prob|logit", re.IGNORECASE)
ID_WORDS = re.compile(r"label|class|cls|categor|(?<![a-z])ids?(?![a-z])", re.IGNORECASE)
BOX_WORDS = re.compile(r"box|(?<![a-z])locs?(?![a-z])|location|dets?(?![a-z])", re.IGNORECASE)


def role_by_name(name: str) -> str | None:
    """Returns `boxes`, `scores` or `ids` if an output's name says so.

    `class_scores` are scores, `det_classes` ids.
    """
    words = (("scores", SCORE_WORDS), ("ids", ID_WORDS), ("boxes", BOX_WORDS))
    return next((role for role, pattern in words if pattern.search(name)), None)


def scores_and_ids(boxes: str, rows: Sequence[str], views: Views) -> tuple[str, str]:
    """Returns the output with the scores and that with the ids, of those with one number a row.

    Args:
        boxes: the output with the boxes, for the message.
        rows: at least two outputs.
        views: what they hold.

    Raises:
        UsageError: names and values do not decide, or contradict each other.
    """
    possible = [
        (scores, ids)
        for scores, ids in permutations(rows, 2)
        if _may_be_scores(scores, views) and _may_be_ids(ids, views)
    ]
    certain = [pair for pair in possible if is_fractional(views.values(pair[0]))]
    named = [
        pair
        for pair in permutations(rows, 2)
        if role_by_name(pair[0]) == "scores" and role_by_name(pair[1]) == "ids"
    ]
    if len(named) == 1 and named[0] in possible and (not certain or named[0] in certain):
        return named[0]
    if len(certain) == 1 and not _speak_against(certain[0]):
        return certain[0]
    if len(possible) == 1 and not _speak_against(possible[0]):
        return possible[0]
    if not possible:
        raise UsageError(
            f"outputs {', '.join(rows)}: neither holds class ids, which are whole numbers from 0; "
            "this family of networks is not supported"
        )
    either = " or ".join(f"--outputs {boxes},{scores},{ids}" for scores, ids in possible[:2])
    raise UsageError(
        f"outputs {', '.join(rows)}: names and values do not say which holds scores and which "
        f"class ids; give boxes, scores, ids: {either}"
    )


def check_roles(scores: str, ids: str, views: Views) -> None:
    """Raises UsageError if the roles that the user gives contradict the values."""
    if not _may_be_ids(ids, views):
        values = views.values(ids).astype(np.float64)
        raise UsageError(
            f"--outputs: {ids} has numbers from {values.min():.3g} to {values.max():.3g}, not "
            f"class ids, which are whole; give boxes,scores,ids (are {scores} the ids?)"
        )
    if not _may_be_scores(scores, views):
        raise UsageError(f"--outputs: {scores} has class ids, not scores; give boxes,scores,ids")


def _may_be_scores(name: str, views: Views) -> bool:
    """Returns whether an output is not clearly something else: whole numbers above 1."""
    values = views.values(name)
    if not values.size:
        return True
    return not np.issubdtype(values.dtype, np.integer) and not (
        is_whole(values) and values.max() > 1
    )


def _may_be_ids(name: str, views: Views) -> bool:
    values = views.values(name)
    return not values.size or is_whole(values)


def _speak_against(pair: tuple[str, str]) -> bool:
    """Returns whether names say the opposite of a pair of scores and ids."""
    return role_by_name(pair[0]) == "ids" or role_by_name(pair[1]) == "scores"
