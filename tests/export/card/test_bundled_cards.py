"""The cards of the bundled packages say what the code writes today."""

import json
from pathlib import Path

import pytest

from spotlet.manifest import Manifest
from spotlet.model.package import VARIANTS, bundled_models
from spotlet.session import ModelSession
from spotlet_export.card.contract import contract_section
from spotlet_export.card.measured import int8_section, parity_section
from spotlet_export.card.use import use_section
from spotlet_export.gate.report import Report, Row

MODELS = bundled_models()
NOTES = Path(__file__).parents[3] / "models" / "notes"


def derived_sections(package: Path) -> list[str]:
    """Returns the sections that the manifest and `parity.json` determine."""
    manifest: Manifest = ModelSession(package / VARIANTS["fp32"]).manifest
    record = json.loads((package / "parity.json").read_text("utf-8"))
    rows = [
        Row(**{key: value for key, value in row.items() if key != "passed"})
        for entry in record["files"].values()
        for row in entry["rows"]
    ]
    sizes = {name: entry["bytes"] for name, entry in record["files"].items()}
    frames = len(list((package / "golden").glob("*.png")))
    return [
        parity_section(Report(tuple(rows))),
        int8_section(record["quantisation"], sizes),
        contract_section(manifest),
        use_section(
            manifest, frames, "generated", int8=True, end_to_end=VARIANTS["end-to-end"] in sizes
        ),
    ]


@pytest.mark.parametrize("name", MODELS)
def test_a_bundled_card_is_written_by_todays_code(name: str) -> None:
    card = (MODELS[name] / "CARD.md").read_text("utf-8")
    for section in derived_sections(MODELS[name]):
        assert f"\n{section}\n" in card
    assert (NOTES / f"{name}.md").read_text("utf-8").strip() in card
