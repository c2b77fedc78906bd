"""What compiled loops need beyond numba: a cached `kernel`, 512-bit vectors and early fetches.

numba's cache does not notice changes in this file: after one, delete ``__pycache__``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile on first use, and keep the result on disk."""
    compiled: Any = njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled  # type: ignore[no-any-return]


def _prefer_512_bits(_context: Any) -> Any:
    """Let LLVM use 512-bit vectors where there are any; for some processors it prefers 256 bits, at half the speed.

    And leave this function a function, whose loops are vectorized whatever surrounds its calls.
    """

    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')  # add() knows no attributes with a value
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


def _fetch_early(_context: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of an element, which may lie outside: streams of 4 kB pages stall at each page."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        address = builder.bitcast(builder.gep(data, [arguments[1]]), byte)
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", (), kind)
        builder.call(prefetch, [address, flag(0), flag(2), flag(1)])
        return context.get_dummy_value()

    return types.void(array, index), generate


use_512_bits: Any = intrinsic(_prefer_512_bits)
prefetch: Any = intrinsic(_fetch_early)
