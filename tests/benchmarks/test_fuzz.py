"""A slice of the fuzzing: it goes on passing, and it does see what it is there to see."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_a_few_hundred_damaged_files_are_loaded_or_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        # Of 2 s, as the benchmark has them, a busy machine would fail.
        [
            *(sys.executable, "-m", "benchmarks.fuzz", "--files", "270", "--seed", "7"),
            *("--limit-seconds", "20", "--out", str(tmp_path / "bad")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (total,) = re.findall(r"^all +(\d+) +(\d+) +(\d+) +0 +0 ", done.stdout, re.MULTILINE)
    files, refused, loaded = map(int, total)
    assert files == refused + loaded == 270
    assert loaded > 15
    assert not (tmp_path / "bad").exists()
