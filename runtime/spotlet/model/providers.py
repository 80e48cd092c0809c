"""Execution providers by name: which can be used, where each comes from, and which one computed."""

import ctypes
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort

from spotlet.distributions import replacing_commands
from spotlet.errors import UsageError
from spotlet.model.plugins import OTHER_PLUGINS, PLUGIN_PREFIX, broken_plugins, installed_plugins
from spotlet.text.plain import first_line

CPU_PROVIDER = "CPUExecutionProvider"

PROVIDER_ENDING = "ExecutionProvider"
"""The end of every provider's name in onnxruntime, which users leave out."""

REMOTE_PROVIDERS = ("AzureExecutionProvider",)
"""Providers that send the pictures to a server, which the runtime never does."""

OTHER_NAMES = {"directml": "DmlExecutionProvider"}
"""Aliases of providers, in lower case, and onnxruntime's names."""

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
"""The package that brings a provider, on PyPI in 2026-11."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderUse:
    """Which execution provider a session asked for, and which one it got.

    Attributes:
        asked: onnxruntime's name of the provider that was asked for.
        got: that of the one that computes; the CPU if the other could not be used.
        nodes: how many nodes of the graph each provider got, by name, after onnxruntime's basic
            rewriting; None for the CPU, or if this onnxruntime does not report it.
        fallback: why `got` is not `asked`, in words; None if it is.
    """

    asked: str
    got: str
    nodes: Mapping[str, int] | None = None
    fallback: str | None = None

    @property
    def text(self) -> str:
        """The providers and their shares of the nodes, in one line.

        Example:
            >>> shares = {"XExecutionProvider": 61, "CPUExecutionProvider": 3}
            >>> ProviderUse(asked="XExecutionProvider", got="XExecutionProvider", nodes=shares).text
            'X requested, X used: 61 of 64 nodes, 3 on the CPU'
        """
        asked, got = short_provider_name(self.asked), short_provider_name(self.got)
        if self.asked == CPU_PROVIDER:
            return got
        if self.fallback is not None:
            return f"{asked} requested, {got} used: {self.fallback}"
        if self.nodes is None:
            return f"{asked} requested, {got} used: this onnxruntime does not report the nodes"
        total, mine = sum(self.nodes.values()), self.nodes.get(self.asked, 0)
        if mine == total:
            return f"{asked} requested, {got} used: all {total} nodes"
        others = [
            f"{count} on {'the CPU' if name == CPU_PROVIDER else short_provider_name(name)}"
            for name, count in self.nodes.items()
            if name != self.asked
        ]
        return f"{asked} requested, {got} used: {mine} of {total} nodes, {', '.join(others)}"


def full_provider_name(name: str) -> str:
    """Returns onnxruntime's name of a provider for a short or full one, as CUDA or cpu.

    Raises:
        UsageError: onnxruntime does not know the provider on any machine, or it computes elsewhere.
    """
    # Loaded plug-in providers are in the second list only, others in neither.
    names = [*ort.get_all_providers(), *ort.get_available_providers(), *installed_plugins()]
    known = {each.lower(): str(each) for each in names}
    wanted = OTHER_NAMES.get(name.lower(), name).lower()
    found = known.get(wanted) or known.get(f"{wanted}{PROVIDER_ENDING}".lower())
    if found in REMOTE_PROVIDERS:
        raise UsageError(
            f"provider {name}: sends the pictures to a server, and spotlet computes here; use "
            f"one of {', '.join(map(short_provider_name, usable_providers()))}"
        )
    if found is None:
        local = sorted(map(short_provider_name, set(known.values()) - set(REMOTE_PROVIDERS)))
        raise UsageError(f"provider {name}: unknown; onnxruntime knows {', '.join(local)}")
    return found


def short_provider_name(provider: str) -> str:
    """Returns a provider's name without what onnxruntime adds to all of them."""
    return provider.removesuffix(PROVIDER_ENDING)


def usable_providers() -> dict[str, str]:
    """Returns the providers that can be asked for here, and where each comes from.

    Whether a provider's library loads and finds a device shows only when it is asked for. Providers
    that compute elsewhere are left out.
    """
    # For a loaded plugin, onnxruntime also lists NAME.AUTO, which chooses among devices.
    own = [name for name in ort.get_available_providers() if name.endswith(PROVIDER_ENDING)]
    found = dict.fromkeys(own, f"onnxruntime {ort.__version__}")
    found |= {name: plugin.package for name, plugin in installed_plugins().items()}
    return {name: source for name, source in found.items() if name not in REMOTE_PROVIDERS}


def why_absent(provider: str) -> str:
    """Returns why a provider is not one of `usable_providers`, in words."""
    short = short_provider_name(provider).lower()
    broken = broken_plugins()
    for module in (f"{PLUGIN_PREFIX}{short}", f"onnxruntime_{short}"):
        if module in broken:
            return f"{module} is installed but cannot be used: {broken[module]}"
    return f"not in this onnxruntime ({ort.__version__})"


def remedy(provider: str) -> str:
    """Returns which other providers there are, and which package brings this one, in words."""
    usable = usable_providers()
    others = [short_provider_name(name) for name in usable if name != provider]
    words = f"installed: {', '.join(others)}"
    if provider in usable:
        return f"{words}; leave out --provider to compute on the CPU"
    package = PACKAGES.get(provider)
    if provider == "CoreMLExecutionProvider":
        return f"{words}; onnxruntime for macOS has it"
    if package is None:
        return f"{words}; no known package on PyPI brings it, build onnxruntime with it"
    module = package.replace("-", "_")
    if not module.startswith(PLUGIN_PREFIX) and module not in OTHER_PLUGINS:
        return f"{words}; {replacing_commands('onnxruntime', package)} brings it"
    words += f"; `pip install {package}` brings it"
    old = not hasattr(ort, "register_execution_provider_library")
    return f"{words}, with onnxruntime 1.23 or later" if old else words


def library_fault(provider: str) -> str | None:
    """Returns why the library of one of onnxruntime's own providers does not load.

    onnxruntime leaves such a provider out and reports the reason only to its log.

    Returns:
        The linker's message; None if it loads, or there is no such library.
    """
    stem = f"onnxruntime_providers_{short_provider_name(provider).lower()}"
    name = f"{stem}.dll" if sys.platform == "win32" else f"lib{stem}.so"
    path = Path(ort.__file__).parent / "capi" / name
    if path.is_file():
        try:
            ctypes.CDLL(str(path))
        except OSError as error:
            return first_line(error)
    return None
