"""A real MQTT broker on a free local port, and a client that listens."""

import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest
from patience import PATIENCE_SECONDS, wait_until

from spotlet.lifetime import Closing

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


FIRST_PORT, PORT_COUNT = 20_000, 10_000
"""Below the ports that the system assigns to programs that ask for any."""

_port_numbers = itertools.count(os.getpid() * 101)


def free_port() -> int:
    """A port that nothing listens on, now or soon: a different one for each process."""
    for number in itertools.islice(_port_numbers, PORT_COUNT):
        port = FIRST_PORT + number % PORT_COUNT
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")


class Mosquitto(Closing):
    """The broker; `with` starts it. If it remembers, sessions survive a stop."""

    def __init__(self, folder: Path, *settings: str, remembers: bool = False) -> None:
        if MOSQUITTO is None:
            pytest.skip("mosquitto is not installed (Debian: apt-get install mosquitto)")
        self.port = free_port()
        self._file = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", *settings]
        if not any(line.startswith("allow_anonymous") for line in lines):
            lines.append("allow_anonymous true")
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            lines.append("user root")  # else it could not read the folder
        if remembers:
            lines += ["persistence true", f"persistence_location {folder}/"]
        self._file.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert MOSQUITTO is not None
        command = [MOSQUITTO, "-c", str(self._file)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self._process.poll() is None, "mosquitto does not start"
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()  # and not `kill`: it is to write what it remembers
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def close(self) -> None:
        self.stop()


class Heard(NamedTuple):
    """A message as received; `retained` if it was there before the listener."""

    topic: str
    payload: bytes
    retained: bool

    @property
    def content(self) -> Any:
        return json.loads(self.payload)


class Listener(Closing):
    """A second client that takes every message; it reconnects by itself.

    With a name, a broker that remembers keeps for it what it missed.
    """

    def __init__(
        self, port: int, user: str | None = None, password: str | None = None, *, name: str = ""
    ) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.heard: list[Heard] = []
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, name, clean_session=not name)
        if user is not None:
            self._client.username_pw_set(user, password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._take
        self._client.connect("127.0.0.1", port)

    def __enter__(self) -> Self:
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_SECONDS)
        return self

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def of(self, ending: str) -> list[Heard]:
        """The messages of topics with this ending."""
        return [each for each in list(self.heard) if each.topic.endswith(ending)]

    def wait(self, condition: Callable[[], object]) -> None:
        """Waits until the condition holds."""
        wait_until(condition, lambda: self.heard[-5:])

    def _take(self, _client: Any, _data: Any, message: Any) -> None:
        self.heard.append(Heard(message.topic, message.payload, message.retain))
