"""The model card's figures: the gate's report, cost and gain of int8."""

from collections.abc import Mapping
from typing import Any

from spotlet.model.package import VARIANTS
from spotlet_export.card.markdown import code_span, fenced, section
from spotlet_export.gate.report import Report
from spotlet_export.gate.variants import END_TO_END, FP32, INT8

NOT_MEASURED = """Not measured: the export had no labelled images of the model's classes. `spotlet
evaluate MODEL DATASET` measures it on yours."""

NO_LABELS = (
    "- AP lost: not measured, for lack of labelled images. The gate compared its detections with "
    "the original's; `spotlet evaluate` measures the accuracy on your images"
)


def parity_section(report: Report) -> str:
    """Returns what the gate compared, for every file."""
    return section(
        "The export is the same network",
        "PyTorch (eager, float32) against onnxruntime and the shipped runtime"
        + (
            "; a file with suppression in its graph against the file that it was made from:"
            if any(row.variant in END_TO_END.values() for row in report.rows)
            else ":"
        ),
        fenced(report.table()),
    )


def int8_section(record: Mapping[str, Any], file_bytes: Mapping[str, int]) -> str:
    """Returns what int8 costs and gains.

    Args:
        record: of the quantisation: `calibration_images`, `budget`, `float_layers`, `ap_drop`
            and `latency`, the fields of `spotlet.bench.int8_gain.Int8Gain`; `layers`, how many
            could be quantised, if known. `ap_drop` is None if there were no labels; `calibrated_on`
            says what the images are if they are not training images.
        file_bytes: of the model files, by name.
    """
    before, after = file_bytes[VARIANTS[FP32]], file_bytes[VARIANTS[INT8]]
    latency = record["latency"]
    threads = latency["threads"]
    kept = ", ".join(code_span(layer) for layer in record["float_layers"]) or "none"
    layers = f" of {record['layers']}" if "layers" in record else ""
    aim = "keep the budget" if record["ap_drop"] is not None else "pass the gate"
    return section(
        "int8",
        f"{code_span(VARIANTS[INT8])} is the same network in eight bits, for processors with "
        "instructions for them. It runs only if asked for (`--variant int8`).",
        "\n".join(
            [
                NO_LABELS
                if record["ap_drop"] is None
                else f"- AP lost: {record['ap_drop']:z.4f}, of at most {record['budget']:g} "
                "(below 0: a gain)",
                f"- Size: {after / 1e6:.2f} MB, float32 {before / 1e6:.2f} MB",
                f"- Latency: {latency['int8_ms']:.1f} ms a frame, float32 "
                f"{latency['fp32_ms']:.1f} ms: {'slower, ' if latency['ratio'] < 1 else ''}"
                f"{latency['ratio']:.2f} times as fast; the network alone, measured in one run "
                f"with {threads} thread{'' if threads == 1 else 's'}",
                f"- Measured on: {code_span(latency['cpu'])}, instructions for eight-bit products: "
                f"{latency['instructions']}. Other processors gain more, less or nothing: the "
                "models that come with Spotlet are about 2 to 2.8 times as fast in int8 with VNNI "
                "or AMX (one thread), but 1.23 to 1.38 times with AVX2 alone (AMD Zen 3). `spotlet "
                "bench` measures yours",
                f"- Calibrated on {_calibrated_on(record)}",
                f"- Layers{layers} that went back to float32 to {aim}, in order: {kept}. "
                "The predictions and the decoding of the boxes are always in float32",
            ]
        ),
    )


def _calibrated_on(record: Mapping[str, Any]) -> str:
    count = record["calibration_images"]
    return (
        f"{record['calibrated_on']}: {count}"
        if "calibrated_on" in record
        else (f"{count} training images")
    )
