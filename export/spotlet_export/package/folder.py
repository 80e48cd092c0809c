"""The folder of a package: what may be in it, its record; it appears whole or not at all."""

import hashlib
import json
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spotlet.atomic import atomic_folder, check_replaceable, check_writable
from spotlet.check import check_model
from spotlet.check.probe import PROBE_KEY, PROBE_TOLERANCE_KEY, SHA256_KEY, record_probe
from spotlet.detector import Detector
from spotlet.distributions import version_of
from spotlet.errors import GateError, InputError, OutputError
from spotlet.model.package import (
    CARD_FILE,
    GOLDEN_FOLDER,
    PARITY_FILE,
    PARITY_SCHEMA,
    VARIANTS,
    variants_of,
)
from spotlet.model.providers import CPU_PROVIDER
from spotlet_export.card.letterbox import LETTERBOX_FILE
from spotlet_export.gate.report import Report
from spotlet_export.gate.variants import Limits

PREVIEW_FILE = "preview.png"
"""The picture of what an adopted model finds, in its package."""

PICTURES = (LETTERBOX_FILE, PREVIEW_FILE)

PACKAGE_FILES = {*VARIANTS.values(), PARITY_FILE, CARD_FILE, GOLDEN_FOLDER, *PICTURES}
"""What a package is made of, beside what is attached to it."""

ATTACHED_KEY = "attached"
"""Where `parity.json` names the files that were attached, which a new package may replace."""


def check_package_folder(package: Path, attachments: Sequence[Path] = ()) -> None:
    """Does nothing where a package may be written: in a new or empty folder, or over a package.

    Raises:
        OutputError: the folder cannot be written, or holds something that is not ours, which would
            be lost.
        InputError: an attachment is no file, or its name is taken.
    """
    # Without regard to case: some systems have none.
    taken = {name.casefold() for name in PACKAGE_FILES}
    for file in attachments:
        if not file.is_file():
            raise InputError(f"{file}: no such file to attach")
        if file.name.casefold() in taken:
            raise InputError(
                f"{file}: the package has another file of this name already; rename it"
            )
        taken.add(file.name.casefold())
    check_replaceable(package, marker=PARITY_FILE)
    check_writable(package.parent)
    if package.is_dir():
        ours = PACKAGE_FILES | {file.name for file in attachments} | _attached_before(package)
        foreign = sorted({path.name for path in package.iterdir()} - ours)
        if foreign:
            raise OutputError(
                f"{package}: holds {', '.join(foreign[:3])}, which would be lost; give a new folder"
            )


@contextmanager
def package_folder(package: Path, attachments: Sequence[Path] = ()) -> Iterator[Path]:
    """Gives an empty folder that takes the package's place when the block succeeds.

    Postcondition: the folder holds what the block wrote and the attachments, and every model file
    was checked as a device would; or it is as it was.

    Raises:
        GateError: what was written does not pass the check.
        OutputError: it cannot be written.
    """
    with atomic_folder(package, marker=PARITY_FILE) as folder:
        yield folder
        for file in attachments:
            shutil.copyfile(file, folder / file.name)
        for path in variants_of(folder).values():
            require_sound(path)


def file_entry(
    variant: str, content: bytes, proven: Path, report: Report, limits: Limits
) -> dict[str, Any]:
    """Returns what `parity.json` holds of a model file.

    Args:
        variant: its name.
        content: of the file, as it will be written.
        proven: the file that was judged, the same but for what its manifest says of the gate.
        report: of the gate.
        limits: how near it had to come.
    """
    detector = Detector(proven)
    # In a file that suppresses, the order of rows near ties is the machine's.
    of_cells = detector.manifest.output.form == "cells"
    return {
        "variant": variant,
        SHA256_KEY: hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "rows": report.of(variant),
        **({PROBE_KEY: record_probe(detector)} if of_cells else {}),
        PROBE_TOLERANCE_KEY: limits.golden.tensors,
    }


def write_record(
    folder: Path,
    entries: Mapping[str, Any],
    attachments: Sequence[Path],
    facts: Mapping[str, Any],
    versions_of: Sequence[str],
) -> None:
    """Writes `parity.json`.

    Args:
        folder: of the package.
        entries: what `file_entry` gave, by the file's name.
        attachments: what is copied into the package.
        facts: of the whole package, besides.
        versions_of: the distributions whose versions matter.
    """
    record = {
        "schema": PARITY_SCHEMA,
        "passed": True,
        "files": entries,
        **facts,
        "provider": CPU_PROVIDER,
        "platform": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version()}
        | {package: version_of(package) for package in versions_of},
        ATTACHED_KEY: sorted(file.name for file in attachments),
    }
    text = json.dumps(record, indent=1, ensure_ascii=False)
    (folder / PARITY_FILE).write_text(text + "\n", encoding="utf-8")


def require_sound(file: Path) -> None:
    """Does nothing where a file of a package is what its package says, as a device would see it.

    Raises:
        GateError: it is not; what was proven is not what was written.
    """
    failures = check_model(file).failures
    if failures:
        told = "; ".join(f"{row.rule}: {row.measured}" for row in failures)
        raise GateError(f"{file.name}, as written, does not pass `spotlet check`: {told}")


def _attached_before(package: Path) -> set[str]:
    """Returns the names of files that an earlier export attached."""
    try:
        names = json.loads((package / PARITY_FILE).read_text("utf-8"))[ATTACHED_KEY]
        return {str(name) for name in names}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
