"""Runs a command whose onnxruntime sees no AVX-512, AVX-VNNI or AMX, and takes its AVX2 kernels.

    python -m benchmarks.processors.without_avx512 [--package NAME] -- COMMAND ...
    python -m benchmarks.processors.without_avx512 -- python -m spotlet bench cells

For Linux on x86-64, with gcc and objdump; processes that the command starts inherit it. Clock rate,
caches and memory stay those of this processor, not of one with AVX2 alone, and what asks
/proc/cpuinfo, as `spotlet doctor` does, still sees AVX-512. `--package` names another package with
libraries, such as `openvino`; instructions are hidden from all libraries of that package.
"""

import argparse
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from spotlet.atomic import atomic_file

SOURCE = Path(__file__).with_name("hidden.c")

CACHE = Path(__file__).parents[2] / ".cache" / "without_avx512"

INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+cpuid\b", re.MULTILINE)


def main() -> None:
    """Runs the command; exits with its code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--package", action="append", help="with libraries [onnxruntime]; may be repeated"
    )
    parser.add_argument("command", nargs="+", help="with its arguments, after --")
    args = parser.parse_args()
    environment = os.environ | hiding(args.package or ["onnxruntime"])
    sys.exit(subprocess.run(args.command, env=environment, check=False).returncode)


def hiding(packages: Sequence[str]) -> dict[str, str]:
    """Returns the environment variables under which the packages' libraries see no AVX-512."""
    CACHE.mkdir(parents=True, exist_ok=True)
    libraries = [library for package in packages for library in libraries_of(package)]
    stamps = [(str(each), each.stat().st_mtime_ns) for each in libraries]
    audit = CACHE / "hidden.so"
    sites = CACHE / f"{hashlib.sha256(repr(stamps).encode()).hexdigest()[:16]}.txt"
    command = ["gcc", "-O1", "-shared", "-fPIC", "-o", str(audit), str(SOURCE)]
    subprocess.run(command, check=True)
    if not sites.exists():
        lines = [line for library in libraries for line in cpuid_sites(library)]
        with atomic_file(sites) as temporary:
            temporary.write_text("".join(lines), encoding="utf-8")
    return {"LD_AUDIT": str(audit), "CPUID_SITES": str(sites)}


def libraries_of(package: str) -> list[Path]:
    """Returns the shared libraries of an installed package."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package}: not installed for {sys.executable}")
    return sorted(Path(spec.origin).parent.rglob("*.so*"))


def cpuid_sites(library: Path) -> Iterator[str]:
    """Yields the file name and address of each `cpuid` instruction in a library, as a line."""
    code = ["objdump", "--disassemble", "--no-show-raw-insn", str(library)]
    listing = subprocess.run(code, check=True, capture_output=True, text=True).stdout
    for address in INSTRUCTION.findall(listing):
        yield f"{library.name} {address}\n"


if __name__ == "__main__":
    main()
