"""What compiled loops need beyond numba: a cached `kernel`, Philox, 512-bit vectors and early fetches.

numba's cache does not notice changes in this file: after one, delete ``__pycache__``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, register_jitable

F = TypeVar("F", bound=Callable[..., Any])

LOW, UP = np.uint64(0xFFFFFFFF), np.uint64(32)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


def kernel(function: F) -> F:
    """Compile on first use, and keep the result on disk."""
    compiled: Any = njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled  # type: ignore[no-any-return]


def reassociating(function: F) -> F:
    """Compile a `kernel` that may add in any order, as vectors do: rounding then depends on the processor."""
    fast = {"reassoc", "nsz"}
    compiled: Any = njit(cache=True, nogil=True, error_model="numpy", fastmath=fast)(function)
    return compiled  # type: ignore[no-any-return]


@register_jitable(inline="always")  # into loops that are vectorized around it
def philox(c0: Any, c1: Any, c2: Any, c3: Any, key: Any) -> Any:
    """Return the four words of a counter of Philox4x32-10 under a 64-bit key: low halves of 64-bit integers.

    A product needs no more than the low halves, and vectors have no other way to multiply; high halves are arbitrary.
    """
    k0, k1 = key & LOW, key >> UP
    for _ in range(10):
        p0, p1 = (c0 & LOW) * _M0, (c2 & LOW) * _M1
        c0, c1, c2, c3 = (p1 >> UP) ^ c1 ^ k0, p1, (p0 >> UP) ^ c3 ^ k1, p0
        k0, k1 = k0 + _W0, k1 + _W1
    return c0, c1, c2, c3


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
