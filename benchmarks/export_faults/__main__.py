"""Plants each fault of the catalogue in a detector and asks checkers of exports about the file.

    python -m benchmarks.export_faults [--tools gate,Polygraphy] [--faults colour_order,layout] \
        [--out table.json] [--markdown table.md]
    python -m benchmarks.export_faults --list

The detector is the bundled `garments`, the pictures are generated. Other projects' tools are
installed on their first use, each in an environment apart under `--cache` (1.5 GB each with torch).
With --out, what the file holds is not asked again, so an interrupted run continues.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from benchmarks.export_faults.catalogue import catalogue
from benchmarks.export_faults.subject import Subject, make_subject, plant_all, same_graph
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
        unchanged = {name for name, file in files.items() if same_graph(subject.good, file)}
        results["manifest_only"] = sorted({*results["manifest_only"], *unchanged} - {"good"})
        for name, tool in chosen.items():
            record = results["tools"].setdefault(name, {})
            for done in _ask(tool, args.cache, subject, files, record):
                print(f"{name}: {done}", file=sys.stderr, flush=True)
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


def _ask(
    tool: Tool, cache: Path, subject: Subject, files: Mapping[str, Path], record: dict[str, Any]
) -> Iterator[str]:
    """Completes a tool's record: versions, verdicts by fault, or why it was not run.

    Yields what was added.
    """
    known = record.setdefault("verdicts", {})
    left = {name: file for name, file in files.items() if name == "good" or name not in known}
    if left.keys() <= known.keys():
        return
    record.pop("not_run", None)
    record["claims"], record["compares"] = tool.claims, tool.compares
    record["date"] = datetime.now(UTC).date().isoformat()
    try:
        record["versions"] = tool.open(cache)
        for name, verdict in tool.judge(subject, left):
            known[name] = asdict(verdict)
            yield name
    except ContenderError as error:
        record["not_run"] = str(error)
        yield "not run"


if __name__ == "__main__":
    sys.exit(main())
