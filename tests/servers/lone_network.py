"""Runs a program in a separate network, where nothing answers, and prints each name it looks up.

    unshare [--map-root-user] --net --mount python lone_network.py FOLDER PROGRAM [ARGUMENT ...]

Prints `ready` when names can be seen; ends with the program.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
"""Of Linux's `sockios.h` and `if.h`."""

LOCALHOST_DNS = ("127.0.0.1", 53)
HEADER_BYTES = 12
NO_SUCH_NAME = b"\x81\x83"
"""The flags of DNS (RFC 1035, 4.1.1): an answer, and that there is no such name."""


def main() -> int:
    """Returns the program's exit code."""
    folder, *program = sys.argv[1:]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", IFF_UP)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, request)
    resolver = Path(folder) / "resolv.conf"
    resolver.write_text(f"nameserver {LOCALHOST_DNS[0]}\n")
    place = os.path.realpath("/etc/resolv.conf")
    subprocess.run(["mount", "--bind", resolver, place], check=True)
    dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dns.bind(LOCALHOST_DNS)
    threading.Thread(target=answer, args=(dns,), daemon=True).start()
    say("ready")
    return subprocess.run(program, stdout=subprocess.DEVNULL, check=False).returncode


def say(line: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def answer(dns: socket.socket) -> None:
    """Answers every query with: no such name."""
    while True:
        query, asker = dns.recvfrom(512)
        say(name_in(query))
        dns.sendto(query[:2] + NO_SUCH_NAME + query[4:], asker)


def name_in(query: bytes) -> str:
    """Returns the name in a DNS query."""
    labels, at = [], HEADER_BYTES
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels)


if __name__ == "__main__":
    sys.exit(main())
