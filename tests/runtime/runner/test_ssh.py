"""A runner on another machine: `ssh` as the command, against a server on this one."""

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from patience import PATIENCE_SECONDS, wait_until
from servers.sshd import Sshd

from spotlet.letterbox import ImageArray
from spotlet.runner import Runner, RunnerError

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.name != "posix", reason="runners need Linux or macOS"),
]

FRAME: ImageArray = np.full((200, 400, 3), (10, 20, 220), np.uint8)

PROGRAM = Path(__file__).parents[3] / "examples" / "runners" / "red_things.py"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("ssh")) as server:
        yield server


def there(*words: object) -> str:
    """Returns a command as one word for `ssh`, whose server's shell splits it."""
    return shlex.quote(shlex.join(map(str, words)))


def start(command: str) -> Runner:
    return Runner(command, start_seconds=PATIENCE_SECONDS, answer_seconds=PATIENCE_SECONDS)


def test_a_program_is_reached_by_ssh_and_gets_each_byte_as_it_is(server: Sshd) -> None:
    with start(f"{server.command} {there(sys.executable, PROGRAM)}") as runner:
        for value in range(0, 256, 15):  # those that a terminal would change among them
            grey: ImageArray = np.full((320, 320, 3), value, np.uint8)
            assert len(runner.find(grey, 0.5)) == 0
        found = runner.find(FRAME, 0.5)
    np.testing.assert_allclose(found.boxes_xyxy, [[0, 0, 400, 200]], atol=2)


def test_a_lost_connection_is_one_line_with_what_ssh_said(server: Sshd, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    tell = f"import os; open({str(pid)!r}, 'w').write(str(os.getppid())); "
    code = tell + f"exec(open({str(PROGRAM)!r}).read())"
    with start(f"{server.command} exec {there(sys.executable, '-c', code)}") as runner:
        runner.find(FRAME, 0.5)
        os.kill(int(pid.read_text()), 9)  # the server's end of the connection
        with pytest.raises(
            RunnerError, match=r"exit code 255 .* answer to picture 2; .*last words"
        ):
            runner.find(FRAME, 0.5)


def test_a_program_ends_there_when_spotlet_closes_the_connection(
    server: Sshd, tmp_path: Path
) -> None:
    ended = tmp_path / "ended"
    code = f"exec(open({str(PROGRAM)!r}).read()); open({str(ended)!r}, 'w')"
    with start(f"{server.command} {there(sys.executable, '-c', code)}") as runner:
        runner.find(FRAME, 0.5)
    wait_until(ended.exists)


def test_a_server_that_refuses_the_key_is_quoted(server: Sshd) -> None:
    another_key = server.command.replace("/user ", "/host ")
    with pytest.raises(RunnerError, match=r"exit code 255 .* hello; .*Permission denied"):
        start(f"{another_key} true")
