"""Pictures that are in a set more than once."""

from collections.abc import Collection, Sequence
from pathlib import Path

from spotlet.image_files.likeness import nearest_hashes
from spotlet_training.datasets.checks import inside
from spotlet_training.datasets.findings import NAMED_FINDINGS, Finding, Severity
from spotlet_training.inspection.pictures import Picture

LEAK = "validation figures would be too good and choose the wrong epoch; keep both in one split"
"""Why a training picture among the validation pictures is an error."""


OWN_LEAK = (
    "validation figures would be a little too good; remove one, or give the set a validation split"
)
"""The same if spotlet chose the validation pictures: a note."""


def leaked_findings(
    train: Sequence[Picture], val: Sequence[Picture], root: Path, chosen: Collection[Path] = ()
) -> list[Finding]:
    """Returns the validation pictures that are training pictures too, or copies of them.

    Args:
        train: the training pictures.
        val: the validation pictures.
        root: the folder to name files from.
        chosen: those of them that spotlet chose for validation, so that the set is not at fault.
    """
    files = {picture.path.resolve() for picture in train}
    bytes_of = {picture.digest: picture for picture in train if picture.digest}
    nearest = nearest_hashes([one.hash for one in val], [one.hash for one in train])
    findings = []
    for picture, alike in zip(val, nearest, strict=True):
        if picture.path.resolve() in files:
            what = "is in both splits"
        elif picture.digest in bytes_of:
            copied = inside(root, bytes_of[picture.digest].path)
            what = f"is a byte-for-byte copy of the training picture {copied}"
        elif alike is not None:
            copied = inside(root, train[alike[0]].path)
            what = f"shows the same as the training picture {copied} ({alike[1]} of 255 bits apart)"
        else:
            continue
        own = picture.path in chosen
        severity: Severity = "note" if own else "error"
        message = f"{what}; {OWN_LEAK if own else LEAK}"
        findings.append(Finding(severity, "copies", message, picture.path))
    return findings


def repeated_findings(pictures: Sequence[Picture], root: Path) -> list[Finding]:
    """Returns the pictures of one split that show the same, a finding for each group."""
    findings = []
    for first, *others in groups_of_copies(pictures):
        named = [str(inside(root, one.path)) for one in others[:NAMED_FINDINGS]]
        if len(others) > NAMED_FINDINGS:
            named.append(f"{len(others) - NAMED_FINDINGS} more")
        listed = " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
        message = f"shows the same as {listed}, of the same split; keep one, with the boxes of all"
        findings.append(Finding("note", "copies", message, first.path))
    return findings


def groups_of_copies(pictures: Sequence[Picture]) -> list[list[Picture]]:
    """Returns the groups of two or more pictures that show the same, first ones first."""
    hashes = [picture.hash for picture in pictures]
    nearest = nearest_hashes(hashes, hashes, earlier=True)
    first_with: dict[bytes, int] = {}
    leader: list[int] = []
    groups: dict[int, list[Picture]] = {}
    for index, (picture, alike) in enumerate(zip(pictures, nearest, strict=True)):
        same = first_with.setdefault(picture.digest, index) if picture.digest else index
        earlier = same if same != index or alike is None else alike[0]
        leader.append(index if earlier == index else leader[earlier])
        groups.setdefault(leader[index], []).append(picture)
    return [group for group in groups.values() if len(group) > 1]
