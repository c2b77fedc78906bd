"""The Triton kernels, loaded a second time for Triton's interpreter, which is numpy on this CPU in place of a GPU."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from algorithms import qprsgd

NAMES = ("codes_triton", "norms_triton", "wire_triton", "elias_triton")


@contextmanager
def interpreted() -> Iterator[SimpleNamespace]:
    """Return the modules by their names. Before and after, kernels are for GPUs.

    Sums of Triton are kernels themselves, compiled as Triton is imported; they are replaced by what the interpreter
    does with the operations that they consist of. It also changes the language for every function that a kernel calls,
    although the kernel has done so before; that is left out, as it takes nearly all the time.
    """
    import triton.language as tl
    from triton.runtime.interpreter import InterpretedFunction

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        patch.setattr(tl, "sum", lambda x, axis: tl.reduce(x, axis, tl.standard._sum_combine))
        patch.setattr(tl, "max", lambda x, axis: tl.reduce(x, axis, tl.standard._elementwise_max))
        patch.setattr(tl, "cumsum", lambda x, axis: tl.associative_scan(x, axis, tl.standard._sum_combine))
        patch.setattr(InterpretedFunction, "__call__", lambda function, *a, **k: function.rewrite()(*a, **k))
        for name in NAMES:
            patch.setitem(sys.modules, f"{qprsgd.__name__}.{name}", sys)  # whatever it is, it is forgotten afterwards
            del sys.modules[f"{qprsgd.__name__}.{name}"]
            patch.setattr(qprsgd, name, None, raising=False)
        yield SimpleNamespace(**{name: importlib.import_module(f"{qprsgd.__name__}.{name}") for name in NAMES})
