"""A peer's environment: its packages in a separate folder, never among Spotlet's."""

import json
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.contender import ContenderError, run_program

from spotlet.atomic import atomic_file

READY = "ready.json"
"""The file that marks an environment as complete."""

LAUNCHER = Path(__file__).with_name("with_nms.py")

NO_NETWORK = {
    "YOLO_OFFLINE": "True",
    "YOLO_AUTOINSTALL": "False",
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    # Programs that ignore these get a proxy that does not exist (port 9 discards).
    **dict.fromkeys(
        ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
    ),
}
"""For every program of a peer: stay offline, and send no telemetry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Installed packages that a peer's programs run with.

    Attributes:
        folder: the virtual environment.
        versions: of what is in it.
        own_nms: whether torchvision's compiled operators load, or none are needed; if they do
            not, OpenCV's suppression replaces them.
    """

    folder: Path
    versions: dict[str, str]
    own_nms: bool

    def run(self, words: Sequence[str | Path], log: Path, *, folder: Path, threads: int = 0) -> str:
        """Runs one of its programs, offline; see `run_program`."""
        return run_program(
            self.command(words), log, folder=folder, threads=threads, variables=self.variables
        )

    def command(
        self, words: Sequence[str | Path], launcher: Sequence[str | Path] = ()
    ) -> list[str | Path]:
        """Returns the command line of one of its programs.

        Args:
            words: its name, or a script's path, and its arguments.
            launcher: a script that becomes the program, and its arguments.
        """
        program, *arguments = words
        scripts = _scripts(self.folder)
        with_nms = [] if self.own_nms else [LAUNCHER]
        return [scripts / "python", *launcher, *with_nms, scripts / program, *arguments]

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables of its programs."""
        return NO_NETWORK | {"YOLO_CONFIG_DIR": str(self.folder)}


def open_environment(
    cache: Path, package: str, torch: str, extras: Sequence[str] = ()
) -> Environment:
    """Returns a peer's environment, installing it if `cache` has none yet.

    torch comes first and pinned: a peer's own requirement would take the newest, which on Linux
    brings several GB of CUDA. torchvision comes without its requirements, because they need that
    build of torch; `with_nms` helps if its operators then do not load.

    Args:
        cache: folder of environments.
        package: pinned requirement, as for pip.
        torch: version of PyTorch.
        extras: further pinned requirements.

    Raises:
        ContenderError: it cannot be installed.
    """
    steps = [
        ["install", f"torch=={torch}"],
        ["install", "--no-deps", f"torchvision=={matching_torchvision(torch)}"],
        ["install", package, "onnx", "onnxslim", *extras],
    ]
    name = "-".join([package, f"torch-{torch}", *extras])
    return _open(cache, name, steps, with_torchvision=True)


def open_small_environment(cache: Path, packages: Sequence[str]) -> Environment:
    """Returns an environment without torch, installing it if `cache` has none yet.

    Args:
        cache: folder of environments.
        packages: pinned requirements, as for pip; OpenCV comes in its headless build.

    Raises:
        ContenderError: it cannot be installed.
    """
    return _open(cache, "-".join(packages), [["install", *packages]], with_torchvision=False)


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


def _open(
    cache: Path, name: str, steps: Sequence[Sequence[str]], *, with_torchvision: bool
) -> Environment:
    folder = cache.resolve() / re.sub(r"[^\w.]+", "-", name)
    if not (folder / READY).is_file():
        _install(folder, steps, with_torchvision=with_torchvision)
    content = json.loads((folder / READY).read_text("utf-8"))
    return Environment(folder=folder, versions=content["versions"], own_nms=content["own_nms"])


def _install(folder: Path, steps: Sequence[Sequence[str]], *, with_torchvision: bool) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    log = folder.with_name(f"{folder.name}.log")
    python = _scripts(folder) / "python"
    run_program([sys.executable, "-m", "venv", folder], log, folder=folder.parent)
    # OpenCV in the build that needs no desktop libraries, in Spotlet's version.
    headless = f"opencv-python-headless=={version('opencv-python-headless')}"
    replacement = (["uninstall", "--yes", "opencv-python"], ["install", headless])
    for words in (*steps, *replacement):
        command: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check", *words]
        run_program(command, log, folder=folder.parent)
    listing = run_program([python, "-m", "pip", "list", "--format=freeze"], log, folder=folder)
    lines = re.findall(r"^([\w.-]+)==(\S+)$", listing, re.MULTILINE)
    own_nms = not with_torchvision or _loads_operators(python, log)
    content = {"versions": dict(lines), "own_nms": own_nms}
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
