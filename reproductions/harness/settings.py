"""Options of the suite: command line before environment (``REPRO_*``) before tox.ini (``repro_*``) before default."""

from __future__ import annotations

import math
import os
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reproductions.harness import deadline, links

SCALES = ("smoke", "small", "paper")
SEEDS = {"smoke": 8, "small": 3, "paper": 3}
TIMEOUT = {"smoke": 1800.0, "small": 4 * 3600.0, "paper": 48 * 3600.0}
DATA_FOLDERS = ("cifar10", "cifar-10-batches-py", "atis", "libsvm", "imagenet")


@dataclass(frozen=True)
class Settings:
    """What the user asked for; see the README for each option."""

    scale: str = "smoke"
    ranks: int | None = None
    device: str = "auto"
    precision: str = "float32"
    streams: int = 4
    data: Path | None = None
    seeds: int = SEEDS["smoke"]
    results: Path = Path("results")
    launcher: str | None = None
    network: str = "modelled"
    run_timeout: float = TIMEOUT["smoke"]
    time_limit: float = math.inf
    rerun: bool = False
    verdicts: Path | None = None

    def fewer_seeds(self) -> range:
        """Return five eighths of the seeds, at least three: for figures at smoke scale whose orders show with fewer.

        At other scales, where three is the default, all seeds are taken.
        """
        fewer = max(3, math.ceil(5 * self.seeds / 8)) if self.scale == "smoke" else self.seeds
        return range(min(self.seeds, fewer))

    def processes(self, workers: int) -> int:
        """Return the number of MPI ranks for `workers` workers."""
        return min(self.ranks or _cores(self.resolved_device), workers)

    @property
    def resolved_device(self) -> str:
        """Return ``"cuda"`` or ``"cpu"``."""
        if self.device != "auto":
            return self.device
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class Option:
    """One option: how it is written, what it means, how its text becomes a value."""

    name: str
    help: str
    parse: Callable[[str], Any]
    metavar: str = "VALUE"


def _choice(*values: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in values:
            raise ValueError(f"is {text!r}, but must be one of {', '.join(values)}")
        return text

    return parse


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"is {text!r}, but must be a whole number of at least 1")
    return int(text)


def _ranks(text: str) -> int | None:
    return None if text == "auto" else _count(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ValueError(f"is {text!r}, but must be a number of seconds above 0")
    return value


def _device(text: str) -> str:
    device = _choice("auto", "cpu", "cuda")(text)
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise ValueError("is 'cuda', but torch finds no CUDA device here; use --device cpu or auto")
    return device


def _data(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_dir():
        raise ValueError(f"is {text!r}, but there is no such folder")
    if path.name not in DATA_FOLDERS and not any((path / name).exists() for name in DATA_FOLDERS):
        raise ValueError(f"is {text!r}, but that folder holds none of {', '.join(DATA_FOLDERS)}")
    return path.resolve()


def _results(text: str) -> Path:
    path = Path(text).expanduser().resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".writable-{os.getpid()}"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise ValueError(f"is {text!r}, but nothing can be written there: {error}") from None
    return path


def _launcher(text: str) -> str:
    if "{ranks}" not in text:
        raise ValueError(f"is {text!r}, but it must contain {{ranks}}, as in 'srun -n {{ranks}}'")
    try:
        program = shlex.split(text.format(ranks=1))[0]
    except (ValueError, KeyError, IndexError) as error:
        raise ValueError(f"is {text!r}, which is no command line with {{ranks}} in it: {error}") from None
    if shutil.which(program) is None:
        raise ValueError(f"starts with {program!r}, which is not a program on this machine")
    return text


def _network(text: str) -> str:
    network = _choice("modelled", "real")(text)
    if network == "real" and (reason := links.unavailable()):
        raise ValueError(f"is 'real', but {reason}")
    return network


def _flag(text: str) -> bool:
    if text.lower() not in {"0", "1", "true", "false", "yes", "no"}:
        raise ValueError(f"is {text!r}, but must be true or false")
    return text.lower() in {"1", "true", "yes"}


OPTIONS = (
    Option(
        "scale", "smoke (embedded data, default), small (real data, CPU), paper (the paper's sizes)", _choice(*SCALES)
    ),
    Option("ranks", "MPI ranks, or auto: one per CPU core or per GPU", _ranks, "N"),
    Option("device", "auto, cpu or cuda", _device),
    Option(
        "precision",
        "float32 (default, the reference), or faster and less exact: tf32 (GPU only) or bfloat16",
        _choice("float32", "tf32", "bfloat16"),
    ),
    Option("streams", "replicas whose gradients a GPU computes side by side (default: 4)", _count, "N"),
    Option("data", "folder with cifar10/, atis/ and libsvm/", _data, "DIR"),
    Option("seeds", "random seeds per experiment (default: 8 at smoke scale, else 3)", _count, "N"),
    Option("results", "folder for runs, frames, figures and verdicts (default: results)", _results, "DIR"),
    Option(
        "launcher",
        "command that starts ranks, such as 'srun -n {ranks}' (default: mpiexec of Open MPI)",
        _launcher,
        "CMD",
    ),
    Option("network", "modelled (default), or real: links between network namespaces of this machine", _network),
    Option("run-timeout", "wall-clock limit of one launch of ranks, in seconds", _seconds, "S"),
    Option("time-limit", "stop within this time, such as 9m; the same command goes on", deadline.parsed, "TIME"),
    Option(
        "verdicts", "also write the verdicts to this JSON file", lambda text: Path(text).expanduser().resolve(), "FILE"
    ),
)
RERUN = Option("rerun", "make every run again, even when its result is stored", _flag)


def add_options(parser: pytest.Parser) -> None:
    """Register every option on the command line and in tox.ini."""
    group = parser.getgroup(
        "reproductions", "distributed SGD reproductions (also REPRO_NAME in the environment, repro_name in tox.ini)"
    )
    for option in OPTIONS:
        group.addoption(f"--{option.name}", default=None, metavar=option.metavar, help=option.help)
        parser.addini(_ini(option), option.help)
    group.addoption("--rerun", action="store_const", const="true", default=None, help=RERUN.help)
    parser.addini(_ini(RERUN), RERUN.help)


def read_settings(config: pytest.Config) -> Settings:
    """Return the settings of this session.

    Raises
    ------
    pytest.UsageError
        If an option has a bad value; names the option, the value and what would be valid.
    """
    values: dict[str, Any] = {}
    for option in (*OPTIONS, RERUN):
        text, where = _text(config, option)
        if text:
            try:
                values[option.name.replace("-", "_")] = option.parse(text)
            except ValueError as error:
                raise pytest.UsageError(f"{where} {error}") from None
    if values.get("network") == "real" and "launcher" in values:
        raise pytest.UsageError("--network real starts the ranks on hosts of its own: leave out --launcher")
    values.setdefault("results", _default_results(config))
    scale = values.get("scale", "smoke")
    settings = Settings(**({"seeds": SEEDS[scale], "run_timeout": TIMEOUT[scale]} | values))
    if settings.precision == "tf32" and settings.resolved_device == "cpu":
        raise pytest.UsageError("--precision tf32 needs a GPU, and this session has none: use float32 or bfloat16")
    return settings


def _default_results(config: pytest.Config) -> Path:
    try:
        return _results(str(config.rootpath / "results"))
    except ValueError as error:
        raise pytest.UsageError(f"--results {error}") from None


def _text(config: pytest.Config, option: Option) -> tuple[str, str]:
    """Return the text given for an option and the name of the place that gave it."""
    environment = f"REPRO_{option.name.replace('-', '_').upper()}"
    given = config.getoption(f"--{option.name}")
    if given is not None:
        return given, f"--{option.name}"
    if environment in os.environ:
        return os.environ[environment], environment
    return str(config.getini(_ini(option))), f"{_ini(option)} in {config.inipath}"


def _ini(option: Option) -> str:
    return f"repro_{option.name.replace('-', '_')}"


def _cores(device: str) -> int:
    if device == "cuda":
        import torch

        return torch.cuda.device_count()
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
