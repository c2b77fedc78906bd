"""Reproductions: every figure, table and theorem of the papers as a parameterized test."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reproductions.api import (  # noqa: I001
        Algorithm, Constant, Digits, Experiment, IndependentDrops, Lossless, StepDecay, Training, load, run,
    )  # fmt: skip

    __version__: str

__all__ = [
    "Algorithm", "Constant", "Digits", "Experiment", "IndependentDrops", "Lossless", "StepDecay", "Training", "load",
    "run",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Return what scripts import from here: it loads torch, which a session of pytest may not need."""
    if name in __all__:
        return getattr(importlib.import_module("reproductions.api"), name)
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("distributed-sgd-reproductions")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
