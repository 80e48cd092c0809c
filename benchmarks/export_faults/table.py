"""The table of the documentation: a row a fault, a column a tool."""

from collections.abc import Mapping
from typing import Any

from benchmarks.export_faults.fault import Fault

NOTICED, MISSED, NOT_CLAIMED, NOT_RUN = "yes", "**no**", "-", ""


def markdown(results: Mapping[str, Any], faults: Mapping[str, Fault]) -> str:
    """Returns the table, a line of totals and the tools' claims, as Markdown.

    Args:
        results: of the command's JSON.
        faults: by name.
    """
    tools = {name: tool for name, tool in results["tools"].items() if tool.get("verdicts")}
    rows = [
        [name, fault.kind, *(_cell(results, tool, name, fault) for tool in tools.values())]
        for name, fault in faults.items()
        if any(name in tool["verdicts"] for tool in tools.values())
    ]
    totals = ["noticed", ""]
    for column in range(len(tools)):
        cells = [row[column + 2] for row in rows if row[1] == "fault"]
        claimed = sum(cell in (NOTICED, MISSED) for cell in cells)
        totals.append(f"{cells.count(NOTICED)} of {claimed}" if claimed else NOT_CLAIMED)
    head = ["fault", "kind", *tools]
    lines = [head, ["---"] * len(head), *rows, totals]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    claims = [_claim(name, tool) for name, tool in results["tools"].items()]
    return "\n".join([text, "", *claims])


def _cell(results: Mapping[str, Any], tool: Mapping[str, Any], name: str, fault: Fault) -> str:
    verdict = tool["verdicts"].get(name)
    if verdict is None or verdict["noticed"] is None:
        return NOT_RUN
    if fault.kind == "control":
        return "**false alarm**" if verdict["noticed"] else "passes"
    if verdict["noticed"]:
        return NOTICED
    if fault.kind == "rounding":
        return "passes"
    outside = tool["compares"] == "graphs" and name in results["manifest_only"]
    return NOT_CLAIMED if outside or tool["compares"] == "nothing" else MISSED


def _claim(name: str, tool: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{package} {each}" for package, each in tool.get("versions", {}).items())
    missing = f" Not run: {tool['not_run']}." if "not_run" in tool else ""
    return (
        f"- **{name}** ({versions or 'not installed'}, {tool['date']}): {tool['claims']}.{missing}"
    )
