"""The programs that a card points to are in the wheel."""

import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def test_the_wheel_holds_every_file_of_the_programs() -> None:
    folders = ("examples/c", "examples/browser", "examples/end_to_end.py")
    listed = subprocess.run(
        ["git", "ls-files", *folders], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode or not listed.stdout:
        pytest.skip("not a git checkout: which files belong to the programs is unknown")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {
        name: f"spotlet_export/programs/{name.removeprefix('examples/')}"
        for name in listed.stdout.split()
    }
