"""The folder of a package and its record; it appears whole or not at all."""

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
"""The picture of what an adopted model finds."""

PICTURES = (LETTERBOX_FILE, PREVIEW_FILE)

PACKAGE_FILES = {*VARIANTS.values(), PARITY_FILE, CARD_FILE, GOLDEN_FOLDER, *PICTURES}
"""The files of a package, without attachments."""

ATTACHED_KEY = "attached"
"""Key of the attached files in `parity.json`, which a new package may replace."""


def check_package_folder(package: Path, attachments: Sequence[Path] = ()) -> None:
    """Requires a folder that a package may be written to: new, empty, or a package.

    Raises:
        OutputError: the folder cannot be written, or other files in it would be lost.
        InputError: an attachment is not a file, or its name is taken.
    """
    # Ignoring case, as some file systems do.
    taken = {name.casefold() for name in PACKAGE_FILES}
    for file in attachments:
        if not file.is_file():
            raise InputError(f"{file}: no such file to attach")
        if file.name.casefold() in taken:
            raise InputError(
                f"{file}: the package already has a file of this name; rename the attachment"
            )
        taken.add(file.name.casefold())
    check_replaceable(package, marker=PARITY_FILE)
    check_writable(package.parent)
    if package.is_dir():
        ours = PACKAGE_FILES | {file.name for file in attachments} | _attached_before(package)
        others = sorted({path.name for path in package.iterdir()} - ours)
        if others:
            raise OutputError(
                f"{package}: holds {', '.join(others[:3])}, which would be lost; give a new folder"
            )


@contextmanager
def package_folder(package: Path, attachments: Sequence[Path] = ()) -> Iterator[Path]:
    """Yields an empty folder, which replaces the package if the block succeeds.

    Postcondition: the package holds what the block wrote and the attachments, and every model file
    passed the check that a device runs; or it did not change.

    Raises:
        GateError: a written file does not pass the check.
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
    """Returns the entry of a model file in `parity.json`.

    Args:
        variant: its name.
        content: of the file, as it will be written.
        proven: the file that passed the gate; only its manifest's `parity` differs.
        report: of the gate.
        limits: of the gate.
    """
    detector = Detector(proven)
    # Not for a file that suppresses: near a tie, the order of its rows differs between machines.
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
        entries: of `file_entry`, by file name.
        attachments: files that are copied into the package.
        facts: other values about the whole package.
        versions_of: distributions whose versions are recorded.
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
    (folder / PARITY_FILE).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def require_sound(file: Path) -> None:
    """Checks a file of a package as a device does.

    Raises:
        GateError: it fails; what was written is not what was proven.
    """
    failures = check_model(file).failures
    if failures:
        failed = "; ".join(f"{row.rule}: {row.measured}" for row in failures)
        raise GateError(f"{file.name}, as written, does not pass `spotlet check`: {failed}")


def _attached_before(package: Path) -> set[str]:
    """Returns the names of files that an earlier export attached."""
    try:
        names = json.loads((package / PARITY_FILE).read_text("utf-8"))[ATTACHED_KEY]
        return {str(name) for name in names}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
