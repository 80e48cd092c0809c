"""onnxruntime's telemetry is off: nothing in the user's folder, and no host looked up."""

import ast
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from spotlet.cli import main
from spotlet.commands import doctor
from spotlet.lifetime import Closing
from spotlet.model.package import bundled_models
from spotlet.telemetry import OFF_VALUES, SWITCH

ROOT = Path(__file__).parents[2]
FRAME, CLIP = ROOT / "docs" / "frame.jpg", ROOT / "models" / "spotlet_models" / "demo" / "clip.mp4"
LONE_NETWORK = ROOT / "tests" / "servers" / "lone_network.py"
SPOTLET = [sys.executable, "-m", "spotlet"]

DETECTOR = (
    "import cv2, sys; from spotlet import Detector; Detector('garments')(cv2.imread('frame'))"
)
WORKER = (
    "import multiprocessing as m, spotlet; from spotlet.model.package import locate_model\n"
    "from spotlet.session import ModelSession\n"
    "if __name__ == '__main__':\n"
    "    process = m.get_context('spawn').Process(target=ModelSession,\n"
    "        args=(locate_model('garments'),))\n"
    "    process.start(); process.join(); raise SystemExit(process.exitcode)"
)

START_SECONDS, LOOK_UP_SECONDS = 300, 40
"""How long a run may take to its first frame, and onnxruntime until it looks its maker's host up,
which takes 1.32 some 9 seconds."""

pytestmark = pytest.mark.skipif(
    "garments" not in bundled_models(), reason="the bundled model garments is not here"
)


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment with an empty HOME, and without what makes onnxruntime quiet, such as CI."""
    home = tmp_path / "home"
    home.mkdir()
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}


def _value_after(code: str, env: dict[str, str]) -> str:
    code += f"\nimport os, spotlet; print(os.environ.get({SWITCH!r}), spotlet.TELEMETRY_FAULT)"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


@pytest.mark.live
@pytest.mark.parametrize("package", ["spotlet", "spotlet_export", "spotlet_export.adoption"])
def test_importing_a_package_turns_it_off_before_onnxruntime_is_there(
    package: str, bare: dict[str, str]
) -> None:
    watching = f"""
import os, sys
class Watch:
    def find_spec(name, *_):
        assert name != "onnxruntime" or os.environ.get({SWITCH!r}) == "1"
sys.meta_path.insert(0, Watch)
"""
    assert _value_after(f"{watching}import {package}", bare) == "1 None\n"


@pytest.mark.live
def test_what_the_user_has_set_stays_and_an_empty_value_says_nothing(bare: dict[str, str]) -> None:
    assert _value_after("", bare | {SWITCH: "0"}) == f"0 {SWITCH} is 0\n"
    for value in OFF_VALUES:
        assert _value_after("", bare | {SWITCH: value.upper()}) == f"{value.upper()} None\n"
    assert _value_after("", bare | {SWITCH: ""}) == "1 None\n"


@pytest.mark.live
def test_a_program_that_imports_onnxruntime_first_is_told_that_it_is_too_late(
    bare: dict[str, str],
) -> None:
    late = f"1 onnxruntime was imported before spotlet, without {SWITCH}=1\n"
    # A stand-in: the real one, with its telemetry on, would report.
    imported = "import sys, types; sys.modules['onnxruntime'] = types.ModuleType('onnxruntime')"
    assert _value_after(imported, bare) == late
    assert _value_after(imported, bare | {SWITCH: "1"}) == "1 None\n"


def test_doctor_says_whether_it_is_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for fault, row in ((None, "off"), (f"{SWITCH} is 0", f"may be on: {SWITCH} is 0")):
        monkeypatch.setattr(doctor, "TELEMETRY_FAULT", fault)
        assert main(["doctor"]) == 0
        assert f"onnxruntime telemetry  {row}\n" in capsys.readouterr().out


PROGRAMS = sorted(
    path
    for folder in ("runtime", "training", "export", "models", "benchmarks", "examples")
    for path in (ROOT / folder).rglob("*.py")
)


def _steps(path: Path) -> list[str]:
    """Returns what a file does that matters here, line by line: imports, and turning it off."""
    steps: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Import(names=names):
                steps += [(node.lineno, alias.name.partition(".")[0]) for alias in names]
            case ast.ImportFrom(module=str(module)):
                steps.append((node.lineno, module.partition(".")[0]))
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value)]):
                steps.append((node.lineno, str(value)))
            case ast.Constant(value="ORT_DISABLE_TELEMETRY"):
                steps.append((node.lineno, SWITCH))
    return [name for _, name in sorted(steps)]


def test_whatever_imports_onnxruntime_has_turned_its_telemetry_off() -> None:
    checked = 0
    for path in PROGRAMS:
        package = path.relative_to(ROOT).parts[1]
        if package in ("spotlet", "spotlet_export"):  # their __init__ does, see above
            continue
        steps = _steps(path)
        if "onnxruntime" in steps:
            before = steps[: steps.index("onnxruntime")]
            assert {"spotlet", "spotlet_export", SWITCH} & set(before), path
            checked += 1
    assert checked > 5


@pytest.mark.live
@pytest.mark.parametrize(
    "command",
    [
        [*SPOTLET, "run", "garments", "frame"],
        [*SPOTLET, "run", "garments", str(CLIP), "--max-frames", "20", "--ndjson", os.devnull],
        [*SPOTLET, "check", "garments"],
        [*SPOTLET, "doctor"],
        [sys.executable, "-c", DETECTOR],
        [sys.executable, "worker.py"],
    ],
    ids=["image", "clip", "check", "doctor", "detector", "worker"],
)
def test_a_run_leaves_nothing_in_an_empty_home(
    command: Sequence[str], bare: dict[str, str], tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    shutil.copy(FRAME, work / "frame")
    (work / "worker.py").write_text(WORKER)
    before = set(work.iterdir())
    subprocess.run(command, cwd=work, env=bare, capture_output=True, check=True)
    assert list(Path(bare["HOME"]).iterdir()) == []
    assert set(work.iterdir()) == before


class LoneRun(Closing):
    """`spotlet run` in a separate network, which prints the names that it looks up."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        folder.mkdir()
        self._said, self._output = folder / "said.txt", folder / "out.ndjson"
        as_user = ["--map-root-user"] if os.geteuid() else []
        network = ["unshare", *as_user, "--net", "--mount", sys.executable]
        run = [*SPOTLET, "run", "garments", str(CLIP), "--max-fps", "1", "--ndjson"]
        with self._said.open("w") as said:
            self._process = subprocess.Popen(
                [*network, LONE_NETWORK, folder, *run, self._output],
                env=env,
                stdout=said,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def detects(self) -> bool:
        return self._output.exists() and self._output.stat().st_size > 0

    @property
    def said(self) -> list[str]:
        """`ready` where the network could be made, and each name that was looked up."""
        return self._said.read_text().splitlines()

    def close(self) -> None:
        if not self.ended:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _wait(until: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not until():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.live
def test_a_run_looks_no_host_up(bare: dict[str, str], tmp_path: Path) -> None:
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        pytest.skip("no unshare or no mount on this machine (Debian: util-linux)")
    with (
        LoneRun(tmp_path / "quiet", bare) as quiet,
        LoneRun(tmp_path / "loud", bare | {SWITCH: "0"}) as loud,
    ):
        assert _wait(lambda: (loud.detects and quiet.detects) or loud.ended, START_SECONDS)
        if not loud.said:
            pytest.skip("a separate network cannot be made here")
        assert not loud.ended
        # The second one shows that a look-up would be seen, and how long it takes to come.
        started = time.monotonic()
        if not _wait(lambda: len(loud.said) > 1, LOOK_UP_SECONDS):
            pytest.skip("this onnxruntime looks no host up, or not by DNS")
        _wait(lambda: len(quiet.said) > 1, (time.monotonic() - started) / 2)
        assert quiet.said == ["ready"]
        assert not quiet.ended
