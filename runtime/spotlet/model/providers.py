"""Execution providers by name: which are at hand, where each comes from, and which one computed."""

import ctypes
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort

from spotlet.distributions import replacing_commands
from spotlet.errors import UsageError
from spotlet.model.plugins import OTHER_PLUGINS, PLUGIN_PREFIX, broken_plugins, installed_plugins
from spotlet.text.plain import first_line

CPU_PROVIDER = "CPUExecutionProvider"

PROVIDER_ENDING = "ExecutionProvider"
"""What onnxruntime adds to a provider's name, and people leave out."""

REMOTE_PROVIDERS = ("AzureExecutionProvider",)
"""They send what they are given to a server: the runtime opens no connection for its network."""

OTHER_NAMES = {"directml": "DmlExecutionProvider"}
"""What people call a provider, in lower case, where onnxruntime calls it otherwise."""

PACKAGES = {
    "OpenVINOExecutionProvider": "onnxruntime-ep-openvino",
    "WebGpuExecutionProvider": "onnxruntime-ep-webgpu",
    "CUDAExecutionProvider": "onnxruntime-gpu",
    "TensorrtExecutionProvider": "onnxruntime-gpu",
    "DmlExecutionProvider": "onnxruntime-directml",
    "QNNExecutionProvider": "onnxruntime-qnn",
    "MIGraphXExecutionProvider": "onnxruntime-migraphx",
    "CANNExecutionProvider": "onnxruntime-cann",
}
"""What to install for a provider that is not at hand, by the lists of PyPI of 2026-11."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderUse:
    """Which execution provider a session was to have, and which one it has.

    Attributes:
        asked: onnxruntime's name of the one that was asked for.
        got: of the one that computes; the CPU where the other could not be had.
        nodes: how many nodes of the graph each provider got, by name, after onnxruntime's basic
            rewriting; None where it does not tell, or was not asked: of the CPU alone.
        fallback: why `got` is not `asked`, in words; None where it is.
    """

    asked: str
    got: str
    nodes: Mapping[str, int] | None = None
    fallback: str | None = None

    @property
    def text(self) -> str:
        """Both, and the shares, for people.

        Example:
            >>> shares = {"XExecutionProvider": 61, "CPUExecutionProvider": 3}
            >>> ProviderUse(asked="XExecutionProvider", got="XExecutionProvider", nodes=shares).text
            'X asked, X got: 61 of 64 nodes, the CPU 3'
        """
        asked, got = short_provider_name(self.asked), short_provider_name(self.got)
        if self.asked == CPU_PROVIDER:
            return got
        if self.fallback is not None:
            return f"{asked} asked, {got} got: {self.fallback}"
        if self.nodes is None:
            return f"{asked} asked, {got} got: of how many nodes is not told by this onnxruntime"
        total, mine = sum(self.nodes.values()), self.nodes.get(self.asked, 0)
        if mine == total:
            return f"{asked} asked, {got} got: all {total} nodes"
        others = [
            f"the CPU {count}" if name == CPU_PROVIDER else f"{short_provider_name(name)} {count}"
            for name, count in self.nodes.items()
            if name != self.asked
        ]
        return f"{asked} asked, {got} got: {mine} of {total} nodes, {', '.join(others)}"


def full_provider_name(name: str) -> str:
    """Returns onnxruntime's name of a provider for a short or full one, as CUDA or cpu.

    Raises:
        UsageError: onnxruntime knows no such provider, on any machine, or it computes elsewhere.
    """
    # Plug-in providers that are loaded are in the second list alone, others in none.
    names = [*ort.get_all_providers(), *ort.get_available_providers(), *installed_plugins()]
    known = {each.lower(): str(each) for each in names}
    wanted = OTHER_NAMES.get(name.lower(), name).lower()
    for candidate in (wanted, f"{wanted}{PROVIDER_ENDING}".lower()):
        if candidate in known:
            return _local(known[candidate], name)
    short = sorted({short_provider_name(each) for each in known.values()} - _remote_names())
    raise UsageError(f"provider {name}: unknown; onnxruntime knows {', '.join(short)}")


def short_provider_name(provider: str) -> str:
    """Returns a provider's name without what onnxruntime adds to all of them."""
    return provider.removesuffix(PROVIDER_ENDING)


def providers_at_hand() -> dict[str, str]:
    """Returns the providers that can be asked for here, and where each comes from.

    Whether a library loads and has a device shows when it is asked for. Providers that compute
    elsewhere are left out.
    """
    # Of a plugin that is loaded, onnxruntime also lists NAME.AUTO, which chooses among devices.
    own = [name for name in ort.get_available_providers() if name.endswith(PROVIDER_ENDING)]
    found = dict.fromkeys(own, f"onnxruntime {ort.__version__}")
    found |= {name: plugin.package for name, plugin in installed_plugins().items()}
    return {name: source for name, source in found.items() if name not in REMOTE_PROVIDERS}


def why_absent(provider: str) -> str:
    """Returns why a provider that is not at hand is not, in words."""
    short = short_provider_name(provider).lower()
    broken = broken_plugins()
    for module in (f"{PLUGIN_PREFIX}{short}", f"onnxruntime_{short}"):
        if module in broken:
            return f"{module} is installed and of no use ({broken[module]})"
    return f"not in this onnxruntime ({ort.__version__})"


def remedy(provider: str) -> str:
    """Returns what else is at hand, and which package brings a provider that is not, in words."""
    at_hand = providers_at_hand()
    others = [short_provider_name(name) for name in at_hand if name != provider]
    words = f"at hand: {', '.join(others)}"
    if provider in at_hand:
        return f"{words}; where it need not be strict, the CPU is taken"
    package = PACKAGES.get(provider)
    if provider == "CoreMLExecutionProvider":
        return f"{words}; onnxruntime for macOS has it"
    if package is None:
        return f"{words}; no package on PyPI is known to bring it, build onnxruntime with it"
    module = package.replace("-", "_")
    if not module.startswith(PLUGIN_PREFIX) and module not in OTHER_PLUGINS:
        return f"{words}; {replacing_commands('onnxruntime', package)} brings it"
    words += f"; `pip install {package}` brings it"
    old = not hasattr(ort, "register_execution_provider_library")
    return f"{words}, with onnxruntime 1.23 or later" if old else words


def library_fault(provider: str) -> str | None:
    """Returns why the library of one of onnxruntime's own providers does not load.

    onnxruntime leaves out a provider whose library does not load, and tells its log alone.

    Returns:
        The linker's message; None where it loads, or there is no such library.
    """
    stem = f"onnxruntime_providers_{short_provider_name(provider).lower()}"
    name = f"{stem}.dll" if sys.platform == "win32" else f"lib{stem}.so"
    path = Path(ort.__file__).parent / "capi" / name
    if not path.is_file():
        return None
    try:
        ctypes.CDLL(str(path))
    except OSError as error:
        return first_line(error)
    return None


def _local(provider: str, name: str) -> str:
    if provider in REMOTE_PROVIDERS:
        raise UsageError(
            f"provider {name}: sends the pictures to a server, and spotlet computes here; take "
            f"one of {', '.join(map(short_provider_name, providers_at_hand()))}"
        )
    return provider


def _remote_names() -> set[str]:
    return set(map(short_provider_name, REMOTE_PROVIDERS))


def usable_providers(available: Sequence[str], plugins: Sequence[str]) -> list[str]:
    """Returns the providers that compute here, besides the CPU's.

    Args:
        available: what onnxruntime says it has.
        plugins: of the packages that are installed.

    Example:
        >>> usable_providers(["AzureExecutionProvider", "CPUExecutionProvider"], ["MyProvider"])
        ['MyProvider']
    """
    # Of a plugin that is loaded, onnxruntime also lists NAME.AUTO, which chooses among devices.
    fixed = [name for name in available if name.endswith(PROVIDER_ENDING)]
    names = dict.fromkeys([*fixed, *plugins])
    return [name for name in names if name not in (CPU_PROVIDER, *REMOTE_PROVIDERS)]
