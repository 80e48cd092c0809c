"""What int8 loses and gains, for a person on a terminal."""

from collections.abc import Mapping
from typing import Any

from spotlet.bench.int8_gain import Int8Gain


def int8_text(record: Mapping[str, Any]) -> str:
    """Returns the loss of int8, and its gain on this processor, in two lines.

    Args:
        record: of the quantisation, as `card.measured.int8_section` takes it.
    """
    in_float = record["float_layers"]
    gain = Int8Gain(**record["latency"])
    lost = "AP not measured (--data measures it)"
    if record["ap_drop"] is not None:
        lost = f"AP {-record['ap_drop']:+.4f} (budget {record['budget']:g})"
    return (
        f"int8: {record['layers'] - len(in_float)} of {record['layers']} hidden layers"
        f"{', in float: ' + ', '.join(in_float) if in_float else ''}; {lost}\n"
        f"{gain}: {gain.int8_ms:.2f} ms against {gain.fp32_ms:.2f} ms, {gain.threads} thread"
    )
