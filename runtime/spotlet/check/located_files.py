"""What a search found, as lines and as files that anybody can attach to a report of the fault.

`subgraph.onnx` with its weights, `values.npz` with its inputs and what each side computed from
them, `reproduce.py`, which compares the two sides again without Spotlet, and `located.txt`.
"""

import platform
from pathlib import Path

import numpy as np
import onnxruntime as ort

from spotlet.atomic import atomic_folder
from spotlet.check.findings import Located
from spotlet.model.plugins import DEVICE_KEY, installed_plugins, plugin_devices, provider_options
from spotlet.model.providers import CPU_PROVIDER, full_provider_name, short_provider_name
from spotlet.session import SessionSettings
from spotlet.text.plain import plain_line

MARKER = "located.txt"
"""A folder that holds it may be replaced."""

MOST_LINES = 20
"""Nodes and tensors of a large group are counted beyond it, not listed."""

MOST_LETTERS = 1000
"""Of a line."""

LEVELS = {"none": "DISABLE_ALL", "basic": "ENABLE_BASIC", "extended": "ENABLE_EXTENDED"}
"""onnxruntime's names of `spotlet.model.opening.OPTIMISATIONS`, but of `all`."""

PROGRAM = '''

def compute(provider, level):
    """Returns what a provider computes for the inputs in values.npz."""
    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_{level}")
    chosen = {"providers": [(provider, OPTIONS if provider == PROVIDER else {})]}
    if PLUGIN and provider == PROVIDER:
        library = importlib.import_module(PLUGIN).get_library_path()
        ort.register_execution_provider_library(PLUGIN, library)
        devices = [each for each in ort.get_ep_devices() if each.ep_name == PROVIDER]
        options.add_provider_for_devices(devices[:1], OPTIONS)
        chosen = {}
    session = ort.InferenceSession(FOLDER / "subgraph.onnx", options, **chosen)
    values = np.load(FOLDER / "values.npz")
    feeds = {each.name: values[f"input_{i}"] for i, each in enumerate(session.get_inputs())}
    return session.run([NAME], feeds)[0].astype(np.float64)


wanted, found = compute("CPUExecutionProvider", REFERENCE_LEVEL), compute(PROVIDER, LEVEL)
print("largest difference now:", np.abs(wanted - found).max() if wanted.size else 0.0)
print("when it was located:   ", LARGEST)
'''


def located_lines(located: Located, settings: SessionSettings) -> list[str]:
    """Returns the finding for a reader, a line each.

    Args:
        located: the finding.
        settings: of the suspect's sessions.
    """
    node, part = located.node, located.part
    name = f" {plain_line(node.name, 60)!r}" if node.name else ""
    shown = located.difference
    lines = [
        f"{node.operator}{name}, node {node.place + 1} of {located.total}, is the first that "
        f"{_suspect(settings)} computes differently ({located.runs} runs)",
        f"output {plain_line(shown.tensor, 60)}, {shown.dtype} {list(shown.shape)}: {shown.text}",
    ]
    if located.agreed:
        lines.append(f"before it, no tensor differs by more than {located.agreed:.2g} of its range")
    lines += [f"weights {each}" for each in located.weights]
    if not located.alone:
        lines.append(
            "no smaller graph that was tried differs: subgraph.onnx is the whole one, which also "
            "returns this output"
        )
        return [plain_line(each, MOST_LETTERS) for each in lines]
    operators = [each.operator for each in part.nodes]
    named = ", ".join(operators[:MOST_LINES]) + ", …" * (len(operators) > MOST_LINES)
    if part.level:
        lines.append(
            "the node alone does not differ: it is fused with others, amplifies a smaller "
            "difference, or is not taken alone"
        )
        lines.append(f"smallest graph that differs, {named}: {part.difference.text}")
    else:
        lines.append(f"the node alone: {part.difference.text}")
    lines += [
        f"input {plain_line(each.tensor, 60)}: {each.text}" for each in located.inputs[:MOST_LINES]
    ]
    return [plain_line(each, MOST_LETTERS) for each in lines]


def write_located(located: Located, settings: SessionSettings, folder: Path) -> None:
    """Writes the files of a finding into a folder, which appears whole or not at all.

    Args:
        located: the finding.
        settings: of the suspect's sessions.
        folder: a new one, an empty one, or an earlier finding's.

    Raises:
        OutputError: the folder cannot be written, or holds other files.
    """
    part, [name] = located.part, located.part.wanted
    feeds = {f"input_{place}": each for place, each in enumerate(part.feeds.values())}
    lines = [
        *located_lines(located, settings),
        f"onnxruntime {ort.__version__}, {platform.platform()}",
    ]
    with atomic_folder(folder, marker=MARKER) as temporary:
        (temporary / "subgraph.onnx").write_bytes(part.content)
        values = {**feeds, "reference": part.wanted[name], "found": part.found[name]}
        np.savez_compressed(temporary / "values.npz", **values)  # type: ignore[arg-type]
        program = _program(located, settings, name)
        (temporary / "reproduce.py").write_text(program, encoding="utf-8")
        (temporary / MARKER).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _program(located: Located, settings: SessionSettings, name: str) -> str:
    """Returns the program that compares the sides again, for a reader without Spotlet."""
    provider = full_provider_name(settings.provider)
    plugin = installed_plugins().get(provider)
    module, device = "", None
    if plugin is not None:
        module = plugin.package.split()[0].replace("-", "_")
        devices, _ = plugin_devices(plugin)
        device = devices[0].ep_metadata.get(DEVICE_KEY, "CPU") if devices else "CPU"
    options = provider_options(
        provider, device, threads=settings.threads, reduced_precision=settings.reduced_precision
    )
    level = LEVELS.get(settings.optimisation, "ENABLE_ALL")
    reference = "DISABLE_ALL" if provider == CPU_PROVIDER else "ENABLE_ALL"
    return (
        f'"""Compares {_suspect(settings)} with onnxruntime\'s CPU."""\n\n'
        "import importlib\nfrom pathlib import Path\n\nimport numpy as np\n"
        "import onnxruntime as ort\n\n"
        "FOLDER = Path(__file__).parent\n"
        f"NAME, LARGEST = {name!r}, '{located.part.difference.largest:.6g}'\n"
        f"PROVIDER, OPTIONS = {provider!r}, {dict(options)!r}\n"
        f"PLUGIN = {module!r}  # the module of a provider in a separate package\n"
        f"LEVEL, REFERENCE_LEVEL = {level!r}, {reference!r}\n" + PROGRAM
    )


def _suspect(settings: SessionSettings) -> str:
    provider = full_provider_name(settings.provider)
    rewriting = ", with onnxruntime's rewriting of the graph," * (provider == CPU_PROVIDER)
    return f"{short_provider_name(provider)}{rewriting}"
