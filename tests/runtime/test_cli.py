import importlib.metadata
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS

from spotlet.cli import COMMAND_GROUP, SUMMARIES, main

pytestmark = pytest.mark.live

Install = Callable[[str, str, str], None]


@pytest.fixture
def install_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a distribution with one command on the path: its name, its extras, its code."""

    def install(name: str, extras: str, code: str) -> None:
        (tmp_path / f"module_of_{name}.py").write_text(code)
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        line = f"[{COMMAND_GROUP}]\n{name} = module_of_{name} {extras}\n"
        (info / "entry_points.txt").write_text(line)
        monkeypatch.syspath_prepend(str(tmp_path))

    return install


COMMAND = "def add_arguments(parser): parser.add_argument('--size', type=int)\ndef run(args): {}\n"


def test_help_names_every_command_without_importing_one() -> None:
    code = (
        "import sys; from spotlet.cli import main; main(['--help'])\n"
        "assert not [name for name in sys.modules if '.commands.' in name]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name, summary in SUMMARIES.items():
        assert f"  {name} " in done.stdout
        assert summary in done.stdout


def test_every_registered_command_has_a_summary() -> None:
    own = {
        point.name
        for point in importlib.metadata.entry_points(group=COMMAND_GROUP)
        if point.module.startswith("spotlet")
    }
    assert own == set(SUMMARIES)


@pytest.mark.parametrize("command", ["doctor", "run", "demo", "bench"])
def test_an_opencv_without_its_libraries_is_one_line_with_the_remedy(command: str) -> None:
    code = f"""
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file: No such file")
sys.meta_path.insert(0, Finder())
from spotlet.cli import main
sys.exit(main([{command!r}]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert line.startswith(f"spotlet {command}: OpenCV cannot be loaded (libGL.so.1: cannot open")
    assert "pip install --no-deps opencv-python-headless" in line
    assert "apt install libgl1" in line


def test_no_command_shows_the_help_and_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: spotlet COMMAND" in capsys.readouterr().out


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"spotlet {importlib.metadata.version('spotlet')}\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["rum"], "spotlet: rum: no such command; did you mean run?"),
        (
            ["--fast"],
            "spotlet: --fast: not an option of spotlet itself; put options after the command",
        ),
        (["run"], "spotlet run: a model and at least one source must be given; see"),
        (["run", "m", "s", "--sav"], "spotlet run: unrecognized arguments: --sav; see"),
        (["run", "m", "s", "--threads", "x"], "spotlet run: argument --threads: invalid int"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    assert main(words) == 2
    output = capsys.readouterr()
    assert output.err.startswith(line)
    assert output.err.count("\n") == 1
    assert output.out == ""


def test_a_commands_help_is_exit_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0
    assert "--ndjson" in capsys.readouterr().out


def test_a_command_of_another_distribution_runs(
    install_command: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install_command("third", "", COMMAND.format("return args.size"))
    assert main(["third", "--size", "7"]) == 7
    assert main(["--help"]) == 0
    assert "  third " in capsys.readouterr().out


@pytest.mark.parametrize("lazily", [False, True])
def test_a_missing_library_is_named_with_its_pip_install(
    install_command: Install, capsys: pytest.CaptureFixture[str], lazily: bool
) -> None:
    name = f"heavy{lazily}".lower()
    importing = "import no_such_library.part"
    code = COMMAND.format(importing) if lazily else f"{importing}\n{COMMAND.format('pass')}"
    install_command(name, "[training]", code)
    assert main([name]) == 2
    expected = f'spotlet {name}: needs no_such_library: pip install "spotlet[training]"\n'
    assert capsys.readouterr().err == expected


def test_a_missing_library_of_the_base_is_named_by_its_distribution(
    install_command: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    # As after `pip install --no-deps spotlet`: its other requirements may be left out on purpose.
    for name, missing in (("sees", "cv2"), ("counts", "tqdm")):
        install_command(name, "", f"raise ModuleNotFoundError(name={missing!r})")
        assert main([name]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "spotlet sees: needs cv2: pip install opencv-python-headless"
    assert told[1] == "spotlet counts: needs tqdm: pip install tqdm"


def test_a_missing_module_of_our_own_is_a_bug_and_shows_it(install_command: Install) -> None:
    install_command("broken", "", "import spotlet.no_such_module")
    with pytest.raises(ModuleNotFoundError):
        main(["broken"])


@pytest.mark.parametrize(
    ("error", "code"),
    [("UsageError", 2), ("GateError", 3), ("SourceError", 4), ("OutputError", 4)],
)
def test_errors_are_one_line_and_their_exit_code(
    install_command: Install, capsys: pytest.CaptureFixture[str], error: str, code: int
) -> None:
    name = f"fails{error}".lower()
    body = f"from spotlet import errors; raise errors.{error}('what: why; remedy')"
    install_command(name, "", COMMAND.format(body))
    assert main([name]) == code
    assert capsys.readouterr().err == f"spotlet {name}: what: why; remedy\n"
    assert main([name, "--debug"]) == code
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_is_exit_130(install_command: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install_command("waits", "", COMMAND.format("raise KeyboardInterrupt"))
    assert main(["waits"]) == 130
    assert capsys.readouterr().err == "spotlet waits: interrupted\n"


def test_sigterm_is_exit_143_and_the_handler_is_put_back(
    install_command: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    body = "import signal, time; signal.raise_signal(signal.SIGTERM); time.sleep(9)"
    install_command("killed", "", COMMAND.format(body))
    assert main(["killed"]) == 143
    assert capsys.readouterr().err == "spotlet killed: terminated\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_pipe_whose_reader_leaves_ends_it_quietly(squares_model: Path) -> None:
    command = [sys.executable, "-m", "spotlet", "info", str(squares_model), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait() == 0


def test_a_second_sigterm_does_not_break_off_what_the_first_began(install_command: Install) -> None:
    body = (
        "\n    import signal\n"
        "    try: signal.raise_signal(signal.SIGTERM)\n"
        "    finally: signal.raise_signal(signal.SIGTERM); print('finished')"
    )
    install_command("twice", "", COMMAND.format(body))
    assert main(["twice"]) == 143


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_a_hang_up_that_is_ignored_stays_ignored(
    install_command: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install_command("nohup", "", COMMAND.format("import signal; signal.raise_signal(1); return 7"))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main(["nohup"]) == 7
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_no_error_gives_a_credential_away(
    install_command: Install, capsys: pytest.CaptureFixture[str], debug: list[str]
) -> None:
    body = "from spotlet import errors; raise errors.SourceError('rtsp://u:hunter2@host/x: no')"
    install_command("leaks", "", COMMAND.format(body))
    assert main(["leaks", *debug]) == 4
    assert capsys.readouterr().err.splitlines()[-1] == "spotlet leaks: rtsp://host/x: no"
    forgotten = [["run", "rtsp://u:hunter2@a", "rtsp://u:hunter2@b"]]
    mistyped = [["run", "cards", "http:/u:hunter2@h/x"], ["run", "cards", "u:hunter2@10.0.0.1/x"]]
    for words in (*forgotten, *mistyped, ["run", "cards", "x", "--score", "rtsp://u:hunter2@h"]):
        assert main([*words, *debug]) in (2, 4)
        assert "hunter" not in capsys.readouterr().err


HANGING = """
import sys, threading, time
from spotlet import cli
cli.main = lambda: threading.Thread(
    target=time.sleep, args=(60,), daemon=True, name="spotlet-capture"
).start() or print("done") or 7
cli.run_process()
"""


def test_a_thread_that_hangs_does_not_hold_up_the_end() -> None:
    command = [sys.executable, "-c", HANGING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert (done.returncode, done.stdout, done.stderr) == (7, "done\n", "")


def test_flags_may_stand_between_the_model_and_its_sources(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    missing = str(tmp_path / "none.mp4")
    assert main(["run", "--score", "0.5", "cards", "--threads", "1", missing]) == 4
    assert capsys.readouterr().err == f"spotlet run: {missing}: no such file or folder\n"


def test_an_error_keeps_its_exit_code_if_nobody_reads_standard_error() -> None:
    read, written = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "spotlet", "frobnicate"]
    try:
        assert subprocess.run(command, stderr=written, check=False).returncode == 2
    finally:
        os.close(written)
