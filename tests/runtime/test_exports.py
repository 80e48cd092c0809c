"""What a user may import: computed from the packages, the documentation and the examples."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import spotlet

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "runtime" / "spotlet"

FOREIGN = ("torch", "torchvision", "onnx", "onnxscript", "matplotlib", "PIL", "yaml")
LAZY = ("tqdm", "faster_coco_eval", "asyncio")

ROOMS = sorted(path.parent.name for path in RUNTIME.glob("*/__init__.py"))
PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def _imports(code: str) -> list[tuple[str, str]]:
    """Returns (module, name) for each name that a program imports from the runtime."""
    return [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "spotlet"
        for alias in node.names
        if node.module
    ]


def _shown_programs() -> list[str]:
    """Returns the Python that a user is shown: of the README, the documentation, the examples."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    blocks = [block for page in pages for block in PYTHON_BLOCK.findall(page.read_text("utf-8"))]
    return blocks + [path.read_text("utf-8") for path in (ROOT / "examples").rglob("*.py")]


SHOWN = sorted({each for code in _shown_programs() for each in _imports(code)})


def test_users_are_shown_imports_at_all() -> None:
    assert ("spotlet", "Detector") in SHOWN
    assert any(module != "spotlet" for module, _ in SHOWN)


@pytest.mark.parametrize(("module", "name"), SHOWN)
def test_a_name_that_users_are_shown_is_public(module: str, name: str) -> None:
    assert module.count(".") <= 1, "comes from a module inside a room, which is private"
    loaded = importlib.import_module(module)
    if name not in getattr(loaded, "__all__", [name]):
        raise AssertionError(f"{module} does not list {name}")
    assert hasattr(loaded, name)
    assert not name.startswith("_")


@pytest.mark.parametrize("room", ["", *ROOMS])
def test_a_room_lists_what_it_imports_and_nothing_else(room: str) -> None:
    path = RUNTIME / room / "__init__.py"
    imported = {name for module, name in _imports(path.read_text("utf-8"))}
    imported.discard("turn_off_telemetry")
    package = importlib.import_module(f"spotlet.{room}" if room else "spotlet")
    listed = getattr(package, "__all__", [])
    assert sorted(imported) == sorted(listed)
    assert listed == sorted(listed, key=_as_ruff_sorts)
    assert package.__doc__
    assert all(_says_what_it_is(package, name) for name in listed)


def _as_ruff_sorts(name: str) -> tuple[bool, bool, str]:
    """Constants first, then classes, then functions."""
    return not name.isupper(), name[0].islower(), name


def _says_what_it_is(package: ModuleType, name: str) -> bool:
    value = getattr(package, name)
    documented = inspect.isclass(value) or inspect.isfunction(value)
    return not documented or bool(value.__doc__)


def _loaded(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_runtime_and_its_command_line_load_nothing_of_the_workshops() -> None:
    commands = ", ".join(f"spotlet.commands.{name}" for name in COMMANDS)
    loaded = _loaded(f"import spotlet, spotlet.cli, {commands}")
    assert {"spotlet", "onnxruntime", "cv2"} <= loaded
    assert not loaded & {*FOREIGN, "spotlet_training", "spotlet_export"}


COMMANDS = ("bench", "check", "demo", "doctor", "info", "run")


def test_importing_the_runtime_loads_nothing_that_can_wait() -> None:
    assert not _loaded("import spotlet") & {*FOREIGN, *LAZY}


def test_the_runtime_and_its_command_line_load_their_libraries_when_they_are_used() -> None:
    heavy = {"numpy", "cv2", "onnxruntime"}
    assert not _loaded("import spotlet, spotlet.cli; dir(spotlet)") & heavy
    assert not _loaded("from spotlet.cli import main; main(['--help'])") & heavy
    assert heavy <= _loaded("from spotlet import Detector")


def test_a_detector_needs_no_streams() -> None:
    code = "import sys; from spotlet import Detector; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "spotlet.streams" not in done.stdout.split()


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'spotlet' has no attribute 'detect'"):
        spotlet.detect  # noqa: B018
    assert set(spotlet.__all__) <= set(dir(spotlet))


def test_importing_the_runtime_starts_no_thread() -> None:
    code = "import spotlet, threading; assert threading.active_count() == 1"
    subprocess.run([sys.executable, "-c", code], check=True)
