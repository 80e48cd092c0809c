"""Plants each fault of the catalogue in a detector and asks checkers of exports about the file.

    python -m benchmarks.export_faults [--tools gate,Polygraphy] [--faults colour_order,layout] \
        [--out table.json] [--markdown table.md]
    python -m benchmarks.export_faults --list

The detector is the bundled `garments`, the pictures are generated. Other projects' tools are
installed on their first use, each in an environment apart under `--cache` (1.5 GB each with torch).
With --out, tools that the file already has are not asked again.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from benchmarks.export_faults.catalogue import catalogue
from benchmarks.export_faults.subject import make_subject, plant_all, same_graph
from benchmarks.export_faults.table import markdown
from benchmarks.export_faults.tool import Tool
from benchmarks.export_faults.tools.foreign import foreign_tools
from benchmarks.export_faults.tools.gate import gate_tools
from benchmarks.export_faults.tools.installed import installed_tools
from benchmarks.peers.contender import ContenderError

from spotlet.atomic import atomic_file
from spotlet.text.terminal import table


def main() -> int:
    """Runs what was asked for; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    tools = {tool.name: tool for tool in (*gate_tools(), *installed_tools(), *foreign_tools())}
    faults = catalogue()
    parser.add_argument("--tools", help=f"comma-separated, of: {', '.join(tools)}")
    parser.add_argument("--faults", help="comma-separated")
    parser.add_argument("--list", action="store_true", help="print the catalogue and end")
    parser.add_argument("--package", default="garments", help="a detector of garments")
    parser.add_argument("--out", type=Path, help="JSON; the tools in it are kept")
    parser.add_argument("--markdown", type=Path, help="the table for the documentation")
    parser.add_argument("--cache", type=Path, default=Path(".cache/export_faults"))
    args = parser.parse_args()
    if args.list:
        rows = [(name, item.kind, item.description, item.seen) for name, item in faults.items()]
        print(table(rows, ("fault", "kind", "what it does", "seen in")))
        return 0
    chosen = _chosen(parser, args.tools, tools)
    wanted = _chosen(parser, args.faults, faults)
    results: dict[str, Any] = {"tools": {}, "manifest_only": []}
    if args.out is not None and args.out.is_file():
        results = json.loads(args.out.read_text("utf-8"))
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        subject = make_subject(args.package, Path(folder))
        files = plant_all(subject, wanted)
        results["manifest_only"] = [
            name for name in files if name != "good" and same_graph(files["good"], files[name])
        ]
        for name, tool in chosen.items():
            if name not in results["tools"]:
                print(f"{name} ...", file=sys.stderr, flush=True)
                results["tools"][name] = _ask(tool, args.cache, subject, files)
                if args.out is not None:
                    with atomic_file(args.out) as temporary:
                        temporary.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    text = markdown(results, faults)
    print(text)
    if args.markdown is not None:
        args.markdown.write_text(text + "\n", "utf-8")
    return 0


def _chosen(parser: argparse.ArgumentParser, words: str | None, known: Mapping[str, Any]) -> Any:
    names = list(known) if words is None else words.split(",")
    for name in names:
        if name not in known:
            parser.error(f"{name!r}: must be one of {', '.join(known)}")
    return {name: known[name] for name in names}


def _ask(tool: Tool, cache: Path, subject: Any, files: Mapping[str, Path]) -> dict[str, Any]:
    """Returns a tool's record: versions, verdicts by fault, or why it was not run."""
    record: dict[str, Any] = {
        "claims": tool.claims,
        "compares": tool.compares,
        "date": datetime.now(UTC).date().isoformat(),
    }
    try:
        record["versions"] = tool.open(cache)
        verdicts = tool.judge(subject, files)
    except ContenderError as error:
        return {**record, "not_run": str(error)}
    return {**record, "verdicts": {name: asdict(item) for name, item in verdicts.items()}}


if __name__ == "__main__":
    sys.exit(main())
