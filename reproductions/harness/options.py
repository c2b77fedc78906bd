"""Options of the suite: command line before environment (``REPRO_*``) before tox.ini (``repro_*``) before default."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from reproductions.harness import precision
from reproductions.harness.runs import deadline, own, real_links, trackers
from reproductions.harness.runs.settings import SCALES, SEEDS, TIMEOUT, Settings

MOST_GIVEN = 1000  # seeds
DATA_FOLDERS = ("cifar10", "cifar-10-batches-py", "atis", "libsvm", "imagenet")
MPICH = ("bin/mpiexec", "lib/libmpi.so.12")  # of an environment


@dataclass(frozen=True)
class Option:
    """One option: how it is written, what it means, how its text becomes a value.

    Parameters
    ----------
    name, help
        As ``pytest --help`` shows them.
    parse
        Turns the text into the value, or raises a ValueError that goes on after the name of the option.
    default
        What is taken without the option, in words.
    choices
        The only texts that are valid, if there are few.
    metavar
        Stands for the value in ``pytest --help`` where there are no choices.
    """

    name: str
    help: str
    parse: Callable[[str], Any] = str
    default: str = "none"
    choices: tuple[str, ...] | None = None
    metavar: str | None = None

    def value(self, text: str, source: str) -> Any:
        """Return the value of a text that stands in `source`, which the UsageError for a bad one names."""
        if self.choices and text not in self.choices:
            raise pytest.UsageError(f"{source} is {text!r}, but must be one of {', '.join(self.choices)}")
        try:
            return self.parse(text)
        except ValueError as error:
            raise pytest.UsageError(f"{source} {error}") from None
        except (OSError, RuntimeError) as error:  # of a path: a link that leads to itself, ~ of nobody
            raise pytest.UsageError(f"{source} is {text!r}, which is no path here: {error}") from None

    @property
    def field(self) -> str:
        """Name of the field of `Settings`."""
        return self.name.replace("-", "_")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"is {text!r}, but must be a whole number of at least 1")
    return int(text)


def _auto(text: str) -> int:
    return 0 if text == "auto" else _count(text)


def _seeds(text: str) -> int:
    seeds = _auto(text)
    if seeds > MOST_GIVEN:
        raise ValueError(f"is {text!r}, but at most {MOST_GIVEN} are run")
    return seeds


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ValueError(f"is {text!r}, but must be a number of seconds above 0")
    return value


def _device(text: str) -> str:
    if text == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise ValueError("is 'cuda', but torch finds no CUDA device here; use --device cpu or auto")
    return text


def _data(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_dir():
        raise ValueError(f"is {text!r}, but there is no such folder")
    if path.name not in DATA_FOLDERS and not any((path / name).exists() for name in DATA_FOLDERS):
        raise ValueError(f"is {text!r}, but that folder holds none of {', '.join(DATA_FOLDERS)}")
    return path.resolve()


def _file(text: str) -> Path:
    return Path(text).expanduser().resolve()


def _results(text: str) -> Path:
    path = _file(text)
    try:
        path.mkdir(parents=True, exist_ok=True)
        for place in (path, path / "runs"):
            if os.path.lexists(place):
                os.listdir(place)
                probe = place / f".writable-{os.getpid()}"
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
    if text == "real" and (reason := real_links.unavailable()):
        raise ValueError(f"is 'real', but {reason}")
    return text


def _mpich(text: str) -> Path:
    path = _file(text)
    if not all((path / part).exists() for part in MPICH):
        raise ValueError(f"is {text!r}, but that is no environment with an MPICH: it lacks one of {', '.join(MPICH)}")
    return path


def _flag(text: str) -> bool:
    if text.lower() not in {"0", "1", "true", "false", "yes", "no"}:
        raise ValueError(f"is {text!r}, but must be true or false")
    return text.lower() in {"1", "true", "yes"}


OPTIONS = (
    Option("scale", "embedded data, real data on a CPU, or the paper's own sizes", default="smoke", choices=SCALES),
    Option("ranks", "MPI ranks", _auto, "one for each CPU core or GPU", metavar="N"),
    Option("device", "where gradients are computed", _device, "auto: a GPU if there is one", ("auto", "cpu", "cuda")),
    Option(
        "precision",
        "of matrix products; tf32 (GPU only) and bfloat16 are faster and less exact",
        default="float32, the reference; bfloat16 at small scale on a CPU that is faster by it",
        choices=("float32", "tf32", "bfloat16"),
    ),
    Option("streams", "replicas whose gradients a GPU computes side by side", _count, "4", metavar="N"),
    Option(
        "data",
        "folder with cifar10/ or cifar-10-batches-py/, atis/, libsvm/, imagenet/",
        _data,
        "embedded data only",
        metavar="DIR",
    ),
    Option(
        "seeds",
        "random seeds of each experiment",
        _seeds,
        "auto: planned by pilots, else 8 at smoke, 3 elsewhere",
        metavar="N",
    ),
    Option("results", "folder for runs, frames, figures and verdicts", _results, "results", metavar="DIR"),
    Option(
        "launcher", "command that starts ranks, as in 'srun -n {ranks}'", _launcher, "mpiexec of Open MPI", None, "CMD"
    ),
    Option(
        "network",
        "modelled links, or real ones between network namespaces of this machine",
        _network,
        "modelled",
        ("modelled", "real"),
    ),
    Option(
        "mpich",
        "environment with the wheel mpich, which hosts with real links run where they read each other's memory",
        _mpich,
        metavar="DIR",
    ),
    Option(
        "run-timeout",
        "seconds that one launch of ranks may take",
        _seconds,
        ", ".join(f"{seconds:.0f} at {scale}" for scale, seconds in TIMEOUT.items()),
        metavar="S",
    ),
    Option(
        "time-limit", "stop within this time, such as 9m; the same command goes on", deadline.parsed, metavar="TIME"
    ),
    Option("log-to", "also hand metrics to this tracker, as they come", trackers.check, choices=trackers.NAMES),
    Option("algorithm", "put yours, module:Class, beside those of the papers' figures", own.load, metavar="NAME"),
    Option("verdicts", "also write the verdicts to this JSON file", _file, metavar="FILE"),
    Option(
        "baseline", "fail if a verdict that stands in this file now deviates or is inconclusive", _file, metavar="FILE"
    ),
)
FLAGS = (
    Option("rerun", "make every run again, even when its result is stored", _flag, "false"),
    Option("nice", "let ranks compute at the lowest priority, beside other work of the machine", _flag, "false"),
    Option("replace", "let verdicts replace kept ones that rest on more seeds", _flag, "false"),
)


def add_options(parser: pytest.Parser) -> None:
    """Register every option on the command line and in tox.ini."""
    group = parser.getgroup(
        "reproductions", "distributed SGD reproductions (also REPRO_NAME in the environment, repro_name in tox.ini)"
    )
    for option in OPTIONS:
        group.addoption(
            f"--{option.name}",
            type=functools.partial(option.value, source=f"--{option.name}"),
            choices=option.choices,
            metavar=option.metavar,
            help=f"{option.help} (default: {option.default})",
        )
    for flag in FLAGS:
        group.addoption(
            f"--{flag.name}", action="store_const", const=True, help=f"{flag.help} (default: {flag.default})"
        )
    for option in (*OPTIONS, *FLAGS):
        parser.addini(f"repro_{option.field}", option.help)


def read_settings(config: pytest.Config) -> Settings:
    """Return the settings of this session.

    Raises
    ------
    pytest.UsageError
        If an option has a bad value; names the option, the value and what would be valid.
    """
    found = {option.field: _value(config, option) for option in (*OPTIONS, *FLAGS)}
    given = {field: value for field, value in found.items() if value is not None}
    if given.get("network") == "real" and "launcher" in given:
        raise pytest.UsageError("--network real starts the ranks on hosts of its own: leave out --launcher")
    if "results" not in given:
        given["results"] = _results_option().value(str(config.rootpath / "results"), "--results")
    scale = given.get("scale", "smoke")
    given |= {"seeds_given": bool(given.get("seeds")), "seeds": given.get("seeds") or SEEDS[scale]}
    settings = Settings(**({"run_timeout": TIMEOUT[scale]} | given))
    if "precision" not in given:
        settings = replace(settings, precision=precision.default(scale, settings.resolved_device))
    if settings.precision == "tf32" and settings.resolved_device == "cpu":
        raise pytest.UsageError("--precision tf32 needs a GPU, and this session has none: use float32 or bfloat16")
    return settings


def _results_option() -> Option:
    return next(option for option in OPTIONS if option.name == "results")


def _value(config: pytest.Config, option: Option) -> Any:
    """Return the value of an option from the first place that gives it; None if no place does."""
    given = config.getoption(f"--{option.name}")
    if given is not None:
        return given
    variable, entry = f"REPRO_{option.field.upper()}", f"repro_{option.field}"
    text, source = os.environ.get(variable), variable
    if text is None:
        text, source = str(config.getini(entry)), f"{entry} in {config.inipath}"
    return option.value(text, source) if text else None
