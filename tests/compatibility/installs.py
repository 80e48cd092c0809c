"""Installs the source distribution as strangers do, and checks the bundled models in each place.

    python installs.py FOLDER          # with the Python that is to be tried

`make test-compat` calls this. Below FOLDER, which is kept for the next time, two environments hold
spotlet and its base dependencies alone: with the oldest libraries, and with the newest, at a path
with a space and an accent. The second is tried again as a service may find it: without HOME or with
one that is not there, site-packages read-only, an empty working folder. A line for each; ends with
1 where one is wrong.
"""

import os
import shlex
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHECK = Path(__file__).with_name("check_packages.py")
OLDEST_LIBRARIES = ROOT / "constraints-oldest.txt"
OLDEST_UP_TO = (3, 12)
"""The newest Python that onnxruntime 1.18 has wheels for."""

READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
"""For a shell in a mount namespace: a folder that even root cannot write to, and then a program."""


def main() -> int:
    """Returns the exit code."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = Path(sys.argv[1]).absolute() / python
    source = _build(folder / "build")
    good = True
    if sys.version_info[:2] <= OLDEST_UP_TO:
        oldest = folder / "oldest"
        _install(oldest, source, "--constraint", str(OLDEST_LIBRARIES))
        good &= subprocess.run([_python(oldest), CHECK], check=False).returncode == 0
    else:
        print(f"skip  oldest libraries: onnxruntime 1.18 has no wheel for Python {python}")
    newest = folder / "the néwest"
    _install(newest, source, "--upgrade", "--upgrade-strategy", "eager")
    good &= subprocess.run([_python(newest), CHECK], check=False).returncode == 0
    good &= _serves(newest, "no HOME", {})
    good &= _serves(newest, "a lost HOME", {"HOME": "/nonexistent"})
    return 0 if good else 1


def _build(folder: Path) -> Path:
    """Returns the source distribution, built in an environment below a folder."""
    _make(folder)
    _pip(folder, "hatchling>=1.26")
    output = folder / "dist"
    for old in output.glob("*"):
        old.unlink()
    command = ["-m", "hatchling", "build", "-t", "sdist", "-d", str(output)]
    subprocess.run([_python(folder), *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    (source,) = output.glob("*.tar.gz")
    return source


def _install(folder: Path, source: Path, *options: str) -> None:
    _make(folder)
    _pip(folder, *options, str(source))
    _pip(folder, "--force-reinstall", "--no-deps", str(source))  # the version stays, not the code


def _make(folder: Path) -> None:
    if not _python(folder).exists():
        venv.create(folder, with_pip=True)


def _pip(folder: Path, *words: str) -> None:
    options = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([_python(folder), "-m", "pip", "install", *options, *words], check=True)


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _serves(folder: Path, home: str, variables: dict[str, str]) -> bool:
    """Prints a line for each command that is run as by a bare system; returns whether all went."""
    (packages,) = folder.glob("lib/python*/site-packages")
    as_user = ["--map-root-user"] if os.geteuid() else []
    lone = ["unshare", *as_user, "--mount", "sh", "-c", READ_ONLY, "sh", str(packages)]
    kind = f"{home}, read-only"
    probe = ["sh", "-c", shlex.join([*lone, "true"]) + " 2>/dev/null"]
    if subprocess.run(probe, check=False).returncode:
        lone, kind = [], f"{home}, not read-only: no mount namespace here"
    picture = ROOT / "docs" / "frame.jpg"
    good = True
    for words in (["doctor"], ["check", "garments"], ["run", "garments", str(picture)]):
        with tempfile.TemporaryDirectory() as empty:
            done = subprocess.run(
                [*lone, str(folder / "bin" / "spotlet"), *words],
                cwd=empty,
                env={"PATH": os.defpath, "LANG": "C"} | variables,
                check=False,
                capture_output=True,
                text=True,
            )
            passed = done.returncode == 0 and not any(Path(empty).iterdir())
        said = done.stdout + done.stderr if not passed else done.stdout.splitlines()[-1]
        print(f"{'ok   ' if passed else 'WRONG'} {kind}: spotlet {words[0]}: {said}", flush=True)
        good &= passed
    return good


if __name__ == "__main__":
    sys.exit(main())
