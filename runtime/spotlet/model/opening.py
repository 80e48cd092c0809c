"""Opening an onnxruntime session: threads, optimisation, and the provider that was asked for."""

import contextlib
import hashlib
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime as ort

from spotlet.cores import automatic_threads, physical_cores
from spotlet.errors import ModelFileError, UsageError
from spotlet.model.limits import guard_session
from spotlet.model.plugins import add_plugin, installed_plugins, provider_options
from spotlet.model.providers import (
    CPU_PROVIDER,
    ProviderUse,
    full_provider_name,
    library_fault,
    remedy,
    why_absent,
)
from spotlet.text.plain import first_line

RECORD_KEY = "session.record_ep_graph_assignment_info"
"""Makes onnxruntime, from about 1.24 on, remember which provider got which node."""

_Opened = tuple[ort.InferenceSession, str]
"""A session, and the SHA-256 of the bytes that it was made of."""

MAX_THREADS = 256
"""More is a typo: onnxruntime would start them all."""

OPTIMISATIONS = {
    "none": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
"""How far onnxruntime may rewrite the graph while it loads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """How onnxruntime runs a model.

    Attributes:
        threads: for the operators of one inference; 0 is one for each core.
        provider: an execution provider's name, with or without `ExecutionProvider`.
        strict_provider: fail instead of falling back to the CPU if the provider cannot be used.
        spinning: threads spin while they wait for each other within an inference: faster, for
            slightly more CPU. Between inferences they always sleep.
        optimisation: one of `OPTIMISATIONS`.
        reduced_precision: the provider may compute in less than the file's precision, such as
            bfloat16, if it can. It then finds slightly different boxes and scores.
    """

    threads: int = 0
    provider: str = "CPU"
    strict_provider: bool = False
    spinning: bool = False
    optimisation: str = "all"
    reduced_precision: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.threads <= MAX_THREADS:
            raise UsageError(
                f"threads {self.threads}: must be from 1 to {MAX_THREADS}, or 0 (automatic)"
            )
        if self.optimisation not in OPTIMISATIONS:
            raise UsageError(
                f"optimisation {self.optimisation}: must be one of {', '.join(OPTIMISATIONS)}"
            )


def open_session(
    path: Path, settings: SessionSettings
) -> tuple[ort.InferenceSession, ProviderUse, str]:
    """Returns a session for a model file, which provider it uses, and the SHA-256 of the file.

    Single nodes may be left to the CPU: a provider is used if it got at least one.

    Raises:
        ModelFileError: no such file, or onnxruntime cannot load it on the CPU either.
        UsageError: the provider is unknown or computes elsewhere, or cannot be used and
            `strict_provider` is on.
    """
    if not path.is_file():
        raise ModelFileError(f"{path}: no such file")
    asked = full_provider_name(settings.provider)
    opened, nodes, why = None, None, None
    if asked != CPU_PROVIDER:
        opened, why = _open_with(asked, path, settings)
        nodes = None if opened is None else _node_shares(opened[0])
        if why is None and nodes and not nodes.get(asked):
            why = f"it took none of the {sum(nodes.values())} nodes"
    # The second raises for a damaged file.
    session, sha256 = _open_on_cpu(path, settings) if opened is None else opened
    if why is None:
        return session, ProviderUse(asked=asked, got=asked, nodes=nodes), sha256
    if settings.strict_provider:
        raise UsageError(f"provider {settings.provider}: {why}; {remedy(asked)}")
    return session, ProviderUse(asked=asked, got=CPU_PROVIDER, fallback=why), sha256


def _open_on_cpu(path: Path, settings: SessionSettings) -> _Opened:
    options = session_options(settings)
    content = guard_session(path, options)
    try:
        session = ort.InferenceSession(content, options, providers=[CPU_PROVIDER])
    except Exception as error:  # onnxruntime's exceptions share no public base class
        raise ModelFileError(f"{path}: onnxruntime cannot load it ({first_line(error)})") from error
    return session, hashlib.sha256(content).hexdigest()


def _open_with(
    provider: str, path: Path, settings: SessionSettings
) -> tuple[_Opened | None, str | None]:
    """Returns a session, if there is one, and why it does not use the provider."""
    options = session_options(settings)
    content = guard_session(path, options)
    if hasattr(ort.InferenceSession, "get_provider_graph_assignment_info"):
        options.add_session_config_entry(RECORD_KEY, "1")
    threads, reduced = settings.threads, settings.reduced_precision
    providers: dict[str, Any] = {}
    plugin = installed_plugins().get(provider)
    if plugin is not None:
        why = add_plugin(options, plugin, threads=threads, reduced_precision=reduced)
        if why is not None:
            return None, why
    elif provider in ort.get_available_providers():
        own = provider_options(provider, None, threads=threads, reduced_precision=reduced)
        providers = {"providers": [(provider, dict(own)), CPU_PROVIDER]}
    else:
        return None, why_absent(provider)
    # Older versions retry on the CPU regardless, and print that they do.
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            session = ort.InferenceSession(content, options, enable_fallback=0, **providers)
    except Exception as error:  # onnxruntime's exceptions share no public base class
        return None, f"onnxruntime cannot create a session with it ({first_line(error)})"
    session.disable_fallback()  # nor may it change the provider later, during a frame
    opened = session, hashlib.sha256(content).hexdigest()
    if session.get_providers()[0] == provider:
        return opened, None
    return opened, _why_left_out(provider, printed.getvalue())


def _why_left_out(provider: str, printed: str) -> str:
    error = next((line for line in printed.splitlines() if line.startswith("EP Error")), None)
    if error is not None:
        return f"onnxruntime cannot create a session with it ({error})"
    fault = library_fault(provider)
    if fault is not None:
        return f"its library does not load ({fault})"
    return "onnxruntime left it out of the session without a reason"


def _node_shares(session: ort.InferenceSession) -> dict[str, int] | None:
    """Returns how many nodes each provider got; None if onnxruntime does not report it."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return None
    shares: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        shares[str(part.ep_name)] += len(part.get_nodes())
    return dict(shares)


def session_options(settings: SessionSettings) -> ort.SessionOptions:
    """Returns onnxruntime's options for these settings, except the provider."""
    options = ort.SessionOptions()
    # Without a given number onnxruntime starts as many as there are cores and binds each to
    # its core: beside other work they wait for that core while another is free.
    threads = settings.threads or automatic_threads() or physical_cores()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = OPTIMISATIONS[settings.optimisation]
    # A camera delivers a frame every 33 ms: threads that spin in between only waste power.
    entries = {"session.intra_op.allow_spinning": "0"}
    if settings.spinning:
        entries = {"session.intra_op.allow_spinning": "1", "session.force_spinning_stop": "1"}
    if settings.reduced_precision:
        entries["mlas.enable_gemm_fastmath_arm64_bfloat16"] = "1"  # no effect elsewhere
    for key, value in entries.items():
        options.add_session_config_entry(key, value)
    options.log_severity_level = 4
    return options
