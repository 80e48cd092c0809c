"""The unit and the container file of examples/service keep their promises."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "examples" / "service"

MOST_EXPOSURE = 2.0
"""Of ten, by `systemd-analyze security`: a unit without any protection has 9.6."""

OFFLINE_SINCE = 250
"""The systemd that first judged a file of a unit that is not installed."""


def _analyze(*words: object) -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run(
        [program, *map(str, words)], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.live
def test_the_unit_is_exposed_by_2_at_most() -> None:
    version = int(_analyze("--version").split()[1])
    if version < OFFLINE_SINCE:
        pytest.skip(f"systemd-analyze {version} cannot judge a file")
    unit = SERVICE / "spotlet.service"
    told = _analyze("security", "--offline=yes", "--no-pager", unit)
    found = re.search(r"exposure level for spotlet\.service: ([\d.]+)", told)
    assert found is not None, told
    assert float(found[1]) <= MOST_EXPOSURE, told


def _instructions() -> list[tuple[str, str]]:
    """Each instruction of the container file, its lines joined, with what it is given."""
    text = (SERVICE / "Containerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    pairs = [line.partition(" ") for line in joined.splitlines()]
    return [(instruction, given) for instruction, _, given in pairs]


def test_the_container_runs_the_program_itself_and_not_as_root() -> None:
    last = dict(_instructions())
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last["USER"])
    assert json.loads(last["ENTRYPOINT"]) == [
        *("spotlet", "run", "--config", "/etc/spotlet/run.toml")
    ]


@pytest.mark.live
def test_the_container_installs_the_extras_that_it_is_given() -> None:
    instructions = _instructions()
    assert ("ARG", 'EXTRAS=""') in instructions
    (install,) = [given for instruction, given in instructions if "pip install" in given]
    wheel = install[install.index('"') :]
    for extras, asked in (("", "/wheels/*.whl"), ("serve,mqtt", "/wheels/*.whl[serve,mqtt]")):
        script = f"EXTRAS={extras}; echo {wheel}"
        done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == asked


def test_the_extras_in_the_container_files_example_exist() -> None:
    example = (SERVICE / "Containerfile").read_text("utf-8")
    found = re.search(r"--build-arg EXTRAS=(\S+)", example)
    assert found is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert set(found[1].split(",")) <= set(project["project"]["optional-dependencies"])
