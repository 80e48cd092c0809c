"""A peer's environment: its packages in a folder of their own, never among Spotlet's."""

import json
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.contender import ContenderError, run_program

from spotlet.atomic import atomic_file

READY = "ready.json"
"""The file that says that an environment is whole."""

LAUNCHER = Path(__file__).with_name("with_nms.py")

NO_NETWORK = {
    "YOLO_OFFLINE": "True",
    "YOLO_AUTOINSTALL": "False",
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    # What heeds no such wish meets a proxy that is not there (port 9 is for discarding).
    **dict.fromkeys(
        ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
    ),
}
"""For every program of a peer: trains and measures on this machine, and tells nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Installed packages that a peer's programs run with.

    Attributes:
        folder: the virtual environment.
        versions: of what is in it.
        own_nms: whether torchvision's compiled operators load; where they do not, OpenCV's
            suppression takes their place.
    """

    folder: Path
    versions: dict[str, str]
    own_nms: bool

    def run(self, words: Sequence[str | Path], log: Path, *, folder: Path, threads: int = 0) -> str:
        """Runs one of its programs, offline; see `run_program`."""
        program, *arguments = words
        scripts = _scripts(self.folder)
        launcher = [] if self.own_nms else [LAUNCHER]
        return run_program(
            [scripts / "python", *launcher, scripts / program, *arguments],
            log,
            folder=folder,
            threads=threads,
            variables=NO_NETWORK | {"YOLO_CONFIG_DIR": str(self.folder)},
        )


def open_environment(cache: Path, package: str, torch: str) -> Environment:
    """Returns a peer's environment, installed where `cache` has none yet.

    torch comes first and pinned: a peer's own requirement would take the newest, which on Linux
    brings several GB of CUDA. torchvision comes without its requirements, for they ask for that
    build of torch; where its operators then do not load, see `with_nms`.

    Args:
        cache: folder of environments.
        package: what to install, pinned, as pip takes it.
        torch: version of PyTorch.

    Raises:
        ContenderError: it cannot be installed.
    """
    folder = cache.resolve() / re.sub(r"[^\w.]+", "-", f"{package}-torch-{torch}")
    if not (folder / READY).is_file():
        _install(folder, package, torch)
    content = json.loads((folder / READY).read_text("utf-8"))
    return Environment(folder=folder, versions=content["versions"], own_nms=content["own_nms"])


def matching_torchvision(torch: str) -> str:
    """Returns the release of torchvision that was built for a release of torch 2.

    Source: the table of versions in torchvision's README; 2.0 goes with 0.15, and so on.

    Example:
        >>> matching_torchvision("2.13.0")
        '0.28.0'

    Raises:
        ContenderError: not a release of torch 2.
    """
    found = re.fullmatch(r"2\.(\d+)\.(\d+)", torch)
    if found is None:
        raise ContenderError(f"--torch {torch}: must be a release of PyTorch 2, as 2.13.0")
    return f"0.{int(found[1]) + 15}.{found[2]}"


def _install(folder: Path, package: str, torch: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    log = folder.with_name(f"{folder.name}.log")
    python = _scripts(folder) / "python"
    torchvision = f"torchvision=={matching_torchvision(torch)}"
    run_program([sys.executable, "-m", "venv", folder], log, folder=folder.parent)
    for words in (
        ["install", f"torch=={torch}"],
        ["install", "--no-deps", torchvision],
        ["install", package, "onnx", "onnxslim"],
        # Its place is taken by the build that needs no desktop libraries.
        ["uninstall", "--yes", "opencv-python"],
        ["install", "opencv-python-headless"],
    ):
        command: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check", *words]
        run_program(command, log, folder=folder.parent)
    listing = run_program([python, "-m", "pip", "list", "--format=freeze"], log, folder=folder)
    lines = re.findall(r"^([\w.-]+)==(\S+)$", listing, re.MULTILINE)
    content = {"versions": dict(lines), "own_nms": _loads_operators(python, log)}
    with atomic_file(folder / READY) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def _loads_operators(python: Path, log: Path) -> bool:
    try:
        run_program([python, "-c", "import torchvision"], log, folder=log.parent)
    except ContenderError:
        return False
    return True


def _scripts(folder: Path) -> Path:
    return folder / ("Scripts" if sys.platform == "win32" else "bin")
