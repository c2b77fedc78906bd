"""Every Triton kernel compiles to machine code of a GPU, without an instruction that rounds otherwise than a CPU."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

triton = pytest.importorskip("triton", reason="Triton comes with the CUDA build of torch alone")

POINTERS = {"scratch": "i64", "sums": "fp64", "peaks": "fp64", "lengths": "i64", "ends": "i64", "firsts": "i64"}
WORDS = ("codes", "levels", "header", "fault", "exits", "counts", "entries")
ROWS = ("v", "norms", "out")
# instructions on floating-point numbers: rounded to the nearest, or without any rounding
EXACT = r"(add|mul|div|sqrt|sub)\.rn|cvt\.(rn|rzi)|cvt\.f64\.f32|abs|neg|max|min|selp|setp\.\w+|mov|ld|st"
KERNELS = {
    "sums of chunks": ("norms", "_sum_chunks", {"COLUMNS": 256, "FOLDS": 8, "GROUP": 1, "WHOLE": False}),
    "norms of small buckets": ("norms", "_sum_chunks", {"COLUMNS": 32, "FOLDS": 5, "GROUP": 32, "WHOLE": True}),
    "norms of chunks": ("norms", "_join_chunks", {}),
    "write 12 bits": ("wire", "_write", {"WIDTH": 12, "BITS": 12, "WORDS": 1024, "ONE": False}),
    "write 22 bits": ("wire", "_write", {"WIDTH": 22, "BITS": 22, "WORDS": 2048, "ONE": True}),
    "read 12 bits": ("wire", "_read", {"ADD": True, "BITS": 12, "WORDS": 1024, "ONE": False}),
    "measure": ("elias", "_measure", {"WIDTH": 12, "ONE": True}),
    "write Elias": ("elias", "_write_bits", {}),
    "sign": ("elias", "_sign", {}),
    "verify": ("elias", "_verify", {}),
    "explore": ("elias", "_explore", {"SEGMENT": 8192}),
    "connect": ("elias", "_connect", {"SEGMENT": 8192}),
    "read Elias": ("elias", "_read", {"ADD": True, "SEGMENT": 8192, "GROUP": 32}),
}
WITHOUT_ROWS = ("write Elias", "explore", "connect")
QUICK = ("sums of chunks", "write 12 bits", "read Elias")
CASES = [(name, "fp32") for name in KERNELS] + [(name, "fp64") for name in KERNELS if name not in WITHOUT_ROWS]


def kernel_of(name: str) -> tuple[Any, dict[str, Any]]:
    from algorithms.qprsgd import elias_triton, norms_triton, wire_triton

    module, kernel, options = KERNELS[name]
    return getattr({"norms": norms_triton, "wire": wire_triton, "elias": elias_triton}[module], kernel), options


def signature(kernel: Any, real: str, options: dict[str, Any]) -> dict[str, str]:
    """Return the types of a kernel's arguments, as they are launched."""
    kinds = {name: f"*{kind}" for name, kind in POINTERS.items()}
    kinds |= dict.fromkeys(WORDS, "*i32") | dict.fromkeys(ROWS, f"*{real}") | dict.fromkeys(options, "constexpr")
    return {name: kinds.get(name, "i32") for name in kernel.arg_names}


@pytest.mark.parametrize(
    ("name", "real"),
    [pytest.param(*case, marks=[] if case[1] == "fp32" and case[0] in QUICK else pytest.mark.slow) for case in CASES],
)
def test_a_kernel_becomes_machine_code_that_rounds_as_a_cpu(
    name: str, real: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    kernel, options = kernel_of(name)
    source = ASTSource(kernel, signature(kernel, real, options), constexprs=options)
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"enable_fp_fusion": False})
    assert made.asm["cubin"][:4] == b"\x7fELF"
    used = set(re.findall(r"^\s+(?:@\S+ )?(\w+[.\w:]*\.f(?:32|64)[.\w]*)\s", made.asm["ptx"], re.MULTILINE))
    assert {instruction for instruction in used if not re.match(EXACT, instruction)} == set()
    assert not {instruction for instruction in used if re.search(r"ftz|approx|full|fma", instruction)}


def test_a_fused_operation_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    kernel, options = kernel_of("sums of chunks")
    source = ASTSource(kernel, signature(kernel, "fp64", options), constexprs=options)
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"enable_fp_fusion": True})
    assert "fma.rn.f64" in made.asm["ptx"]
