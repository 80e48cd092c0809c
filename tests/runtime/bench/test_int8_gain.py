import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from spotlet import Detector
from spotlet.bench.int8_gain import Int8Gain, int8_pair, measure_int8_gain
from spotlet.commands import bench
from spotlet.model import processor
from spotlet.model.processor import cpu_name, int8_instructions

pytestmark = pytest.mark.live

EPYC = """processor	: 0
model name	: AMD EPYC
flags		: fpu sse2 avx2 avx512f avx512_bf16 avx512_vnni
"""
RASPBERRY_PI_5 = """processor	: 0
Features	: fp asimd aes crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer	: 0x41
"""
RASPBERRY_PI_4 = "Features	: fp asimd evtstrm crc32 cpuid\n"
SAPPHIRE_RAPIDS = "flags : amx_tile amx_int8 avx_vnni avx512_vnni\n"


@pytest.mark.parametrize(
    ("cpu_info", "instructions"),
    [
        (EPYC, "avx512_vnni"),
        (SAPPHIRE_RAPIDS, "avx512_vnni, avx_vnni, amx_int8"),
        (RASPBERRY_PI_5, "asimddp"),
        (RASPBERRY_PI_4, "none"),
        ("flags : avx2 avx512_vnni_of_another_name\n", "none"),
        ("processor : 0\nisa : rv64imafdc\n", "unknown"),
    ],
)
def test_the_instruction_sets_for_eight_bits_are_those_that_linux_lists(
    cpu_info: str, instructions: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _describe(tmp_path / "cpuinfo", cpu_info, monkeypatch)
    assert int8_instructions() == instructions


def test_a_system_that_lists_nothing_is_unknown_but_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _describe(tmp_path / "cpuinfo", None, monkeypatch)
    assert int8_instructions() == "unknown"
    assert cpu_name() != ""


def test_a_processor_is_named_by_the_first_line_that_is_not_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _describe(tmp_path / "cpuinfo", "model : 17\nmodel name : Abacus 9\n", monkeypatch)
    assert cpu_name() == "Abacus 9"


def _describe(path: Path, cpu_info: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets Linux describe the processor so; None where it says nothing."""
    if cpu_info is not None:
        path.write_text(cpu_info)
    monkeypatch.setattr(processor, "CPU_INFO", path)


@pytest.mark.parametrize(
    ("ratio", "text", "advice"),
    [
        (1.6, "int8 is 1.60 times as fast as float32 on Abacus ", "run with --variant int8"),
        (1.1, "int8 is 1.10 times as fast as float32 on Abacus ", "run with --variant int8"),
        (1.09, "int8 is 1.09 times as fast as float32 on Abacus ", "run the float32 file"),
        (0.8, "int8 is slower, 0.80 times as fast as float32 on Abacus ", "run the float32 file"),
    ],
)
def test_a_gain_names_the_processor_and_the_file_to_run_and_a_loss_is_called_slower(
    ratio: float, text: str, advice: str
) -> None:
    gain = Int8Gain(
        fp32_ms=10, int8_ms=10, ratio=ratio, threads=1, cpu="Abacus", instructions="none"
    )
    assert str(gain) == f"{text}(instructions for eight-bit products: none)"
    assert advice in gain.advice


def _bench(*words: object) -> None:
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    assert bench.run(parser.parse_args([*map(str, words), "--seconds", "0.05"])) == 0


def test_bench_says_what_int8_gains_here_of_a_package_that_has_it(
    tmp_path: Path,
    save_squares_model: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    fp32 = save_squares_model(tmp_path / "model.onnx")
    assert int8_pair(fp32) is None
    _bench(fp32)
    assert "times as fast" not in capsys.readouterr().out
    int8 = save_squares_model(tmp_path / "model.int8.onnx")
    assert int8_pair(fp32) == int8_pair(int8) == (fp32, int8)
    assert int8_pair(save_squares_model(tmp_path / "other.onnx")) is None
    _bench(fp32)
    text = f"times as fast as float32 on {cpu_name()} (instructions for eight-bit products"
    printed = capsys.readouterr().out
    assert text in printed
    assert printed.splitlines()[-1].startswith("int8 ")
    _bench(fp32, "--json")
    content = json.loads(capsys.readouterr().out)
    assert content["machine"]["int8_instructions"] == int8_instructions()
    assert set(content["int8_gain"]) >= {"fp32_ms", "int8_ms", "ratio", "cpu", "instructions"}


def test_what_gains_is_not_chosen(tmp_path: Path, save_squares_model: Callable[..., Path]) -> None:
    fp32 = save_squares_model(tmp_path / "model.onnx")
    int8 = save_squares_model(tmp_path / "model.int8.onnx")
    assert measure_int8_gain(fp32, int8).ratio > 0
    assert Detector(tmp_path).session.path == fp32
    assert Detector(tmp_path, variant="int8").session.path == int8
