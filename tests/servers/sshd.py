"""A real SSH server on a free local port that lets this account in by a key of the test."""

import os
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS, wait_until

from servers.mosquitto import free_port
from spotlet.lifetime import Closing

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


class Sshd(Closing):
    """The server, from its creation until it is closed.

    Attributes:
        command: logs in; the program to start there follows.
    """

    def __init__(self, folder: Path) -> None:
        if SSHD is None or shutil.which("ssh") is None:
            pytest.skip("sshd is not installed (Debian: apt-get install openssh-server)")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # an empty folder that it insists on
        for name in ("host", "user"):
            call = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(call, check=True, timeout=PATIENCE_SECONDS)
        self.port = free_port()
        settings = {
            "ListenAddress": f"127.0.0.1:{self.port}",
            "HostKey": folder / "host",
            "AuthorizedKeysFile": folder / "user.pub",
            "StrictModes": "no",
            "PidFile": "none",
        }
        (folder / "sshd").write_text("".join(f"{key} {each}\n" for key, each in settings.items()))
        options = {
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "IdentityFile": folder / "user",
            "StrictHostKeyChecking": "accept-new",
            "UserKnownHostsFile": folder / "known",
        }
        words = ["ssh", "-F", "none", "-T", "-p", str(self.port)]
        words += [f"-o{key}={each}" for key, each in options.items()]
        self.command = shlex.join([*words, "127.0.0.1"])
        self._process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "sshd")])
        try:
            wait_until(self._listens)
            call = [*shlex.split(self.command), "true"]
            done = subprocess.run(call, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
            if done.returncode:
                pytest.skip(f"this account cannot log in by SSH: {done.stderr.strip()}")
        except BaseException:
            self.close()
            raise

    def _listens(self) -> bool:
        assert self._process.poll() is None
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
