"""Measures the disk space of the base install beyond its three libraries, freshly installed.

    python benchmarks/installed_size.py [--most-mb 25]

Builds the wheel, installs it without extras under `constraints.txt`, and adds up the files of each
distribution (including compiled modules). The libraries are numpy, onnxruntime and OpenCV with
their requirements; pip and setuptools do not count. Exit code 1 if the rest is over the limit.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from spotlet.text.terminal import table

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("numpy", "onnxruntime", "opencv-python-headless")
INSTALLERS = ("pip", "setuptools", "wheel")

# Runs in the fresh environment: every distribution's bytes, requirements and, for Spotlet, folders.
INVENTORY = """
import json, re, sys
from collections import Counter
from importlib.metadata import distributions
found = {}
for each in distributions():
    folders = Counter()
    for file in each.files or ():
        path = file.locate()
        if path.is_file():
            name = next((part for part in file.parts if part != ".."), "")
            folders[name] += path.stat().st_size
    needs = [re.match(r"[\\w.-]+", text)[0].lower() for text in each.requires or ()
             if "extra ==" not in text]
    found[each.metadata["Name"].lower()] = {"folders": folders, "needs": needs}
print(json.dumps(found))
"""


def main() -> int:
    """Prints a table and, in the last line, the same as JSON."""
    parser = argparse.ArgumentParser(description="disk beyond the libraries")
    parser.add_argument("--most-mb", type=float, default=25.0, help="[%(default)g]")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pip = ["-m", "pip", "--quiet", "--disable-pip-version-check"]
        run(sys.executable, *pip, "wheel", "--no-deps", "--wheel-dir", folder / "wheel", ROOT)
        (wheel,) = (folder / "wheel").glob("*.whl")
        wheel_mb = wheel.stat().st_size / 1e6
        run(sys.executable, "-m", "venv", folder / "venv")
        python = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        run(python, *pip, "install", "--constraint", ROOT / "constraints.txt", wheel)
        found = json.loads(run(python, "-I", "-c", INVENTORY))
    libraries = required_by(LIBRARIES, {name: each["needs"] for name, each in found.items()})
    megabytes = {name: sum(each["folders"].values()) / 1e6 for name, each in found.items()}
    rows = {f"{name} (library)": megabytes[name] for name in sorted(libraries & megabytes.keys())}
    rest = sorted(found.keys() - libraries - {*INSTALLERS})
    for name in rest:
        rows |= {f"{name}: {part}": size / 1e6 for part, size in found[name]["folders"].items()}
    beyond = sum(megabytes[name] for name in rest)
    rows |= {"beyond the libraries": beyond, "the wheel": wheel_mb}
    print(table([(name, f"{size:.2f}") for name, size in rows.items()], header=("what", "MB")))
    print(json.dumps(rows))
    return 1 if beyond > args.most_mb else 0


def required_by(names: tuple[str, ...], needs: dict[str, list[str]]) -> set[str]:
    """Returns distributions and everything that they require, recursively.

    Example:
        >>> sorted(required_by(("a",), {"a": ["b"], "b": ["c"], "d": ["a"]}))
        ['a', 'b', 'c']
    """
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += needs.get(name, [])
    return reached


def run(*words: str | Path) -> str:
    """Runs a program to its end and returns what it printed."""
    done = subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE)
    return done.stdout.decode()


if __name__ == "__main__":
    sys.exit(main())
