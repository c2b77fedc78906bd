"""An algorithm of one's own: found by its name, and put into an experiment in place of the one that is there."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
import pickle
import sys
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from reproductions.harness.runs.experiment import Experiment
from reproductions.harness.runs.key import describe

FORMS = "module:Class, file.py:Class or module:make_function()"
ASKED = {"state": ("world", "x"), "step": ("world", "x", "g", "state", "t", "lr"), "settle": ("world", "x")}


@dataclass(frozen=True)
class Own:
    """An algorithm of one's own.

    Parameters
    ----------
    spec
        As it was named, such as ``"mine:MyAveraging"``.
    name
        What figures and tables call it, such as ``"MyAveraging"``.
    algorithm
        An `algorithms.algorithm.Algorithm`.
    """

    spec: str
    name: str
    algorithm: Any

    @property
    def folder(self) -> str:
        """Name of the folders with what was found with it, such as ``"mine.MyAveraging"``."""
        place, _, _ = self.spec.rpartition(":")
        return f"{Path(place).stem if place.endswith('.py') else place}.{self.name}"


def load(spec: str) -> Own:
    """Return the algorithm that ``module:Class``, ``file.py:Class`` or ``module:make_function()`` names.

    The folder of the file, or the current one, is searched last, here and by the ranks.

    Raises
    ------
    ValueError
        If there is none, or it is no algorithm; the message goes on after the name of the option.
    """
    place, _, text = spec.rpartition(":")
    name = text.removesuffix("()")
    if not place or not name.isidentifier():
        raise ValueError(f"is {spec!r}, but must be {FORMS}")
    with _told(spec, f"importing {place}"):
        module = _file(spec, Path(place)) if place.endswith(".py") else _module(spec, place)
    maker = getattr(module, name, None)
    if maker is None:
        raise ValueError(f"is {spec!r}, but {module.__file__ or place} has no {name}{_alternatives(module)}")
    called = text.endswith("()")
    if isinstance(maker, type) == called or not callable(maker):
        raise ValueError(f"is {spec!r}, but {name} is no {'function' if called else 'class'}: it must be {FORMS}")
    with _told(spec, f"{name}()"):
        made = maker()
    with _told(spec, name):
        _check(spec, made)
    return Own(spec, name, made)


def exchanged(experiment: Experiment, own: Own) -> Experiment | None:
    """Return an experiment with the algorithm of one's own in place of its own; None if it has no place for it."""
    from algorithms.algorithm import Algorithm

    if not isinstance(getattr(experiment, "algorithm", None), Algorithm):
        return None
    if not isinstance(own.algorithm, typing.get_type_hints(type(experiment))["algorithm"]):
        return None
    field: dict[str, Any] = {"algorithm": own.algorithm}
    return dataclasses.replace(experiment, **field)


# ------------------------------------------------------------------------------------------------------- details


@contextlib.contextmanager
def _told(spec: str, what: str) -> Iterator[None]:
    """Make one sentence of whatever the code of somebody else raises."""
    try:
        yield
    except ValueError as error:
        if str(error).startswith(f"is {spec!r}"):
            raise
        raise ValueError(f"is {spec!r}, but {what} raised ValueError: {_line(error)}") from None
    except (Exception, SystemExit) as error:
        raise ValueError(f"is {spec!r}, but {what} raised {type(error).__name__}: {_line(error)}") from None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _file(spec: str, path: Path) -> ModuleType:
    """Import a file by the name that ranks import it by: with the packages around it."""
    path = path.expanduser().resolve()
    if not path.is_file():
        raise ValueError(f"is {spec!r}, but there is no file {path}")
    top, names = path.parent, [path.stem]
    while (top / "__init__.py").exists():
        top, names = top.parent, [top.name, *names]
    module = _module(spec, ".".join(names), top)
    if module.__file__ is None or Path(module.__file__).resolve() != path:
        raise ValueError(f"is {spec!r}, but {'.'.join(names)} is also the name of {module.__file__}: rename the file")
    return module


def _module(spec: str, name: str, folder: Path | None = None) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise ValueError(f"is {spec!r}, but {name} is no name of a module: it must be {FORMS}")
    place = str(folder or Path.cwd())
    if place not in sys.path:
        sys.path.append(place)  # which ranks get too
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise ValueError(f"is {spec!r}, but there is no module {error.name} in {place}") from None
        raise


def _alternatives(module: ModuleType) -> str:
    from algorithms.algorithm import Algorithm

    own = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__]
    names = [each.__name__ for each in own if issubclass(each, Algorithm)]
    return f", only {', '.join(names)}" if names else ", nor any other algorithm"


def _check(spec: str, made: Any) -> None:
    """Check that a value is an algorithm that can be handed to ranks, and that its value says all that it does."""
    from algorithms.algorithm import Algorithm

    kind = type(made).__name__
    if not isinstance(made, Algorithm):
        raise ValueError(f"is {spec!r}, but a {kind} is no subclass of algorithms.algorithm.Algorithm")
    if type(made).step is Algorithm.step:
        raise ValueError(f"is {spec!r}, but {kind} has no method step(world, x, g, state, t, lr)")
    for name, arguments in ASKED.items():
        try:
            inspect.signature(getattr(made, name)).bind(*arguments)
        except TypeError:
            raise ValueError(f"is {spec!r}, but {kind}.{name} must take ({', '.join(arguments)})") from None
    if not isinstance(made.auxiliaries, int) or made.auxiliaries < 0:
        raise ValueError(f"is {spec!r}, but {kind}.auxiliaries is {made.auxiliaries!r}: it must be a number of rows")
    if hidden := vars(made).keys() - {field.name for field in dataclasses.fields(made)}:
        raise ValueError(f"is {spec!r}, but {kind} keeps {', '.join(sorted(hidden))} outside of its dataclass fields")
    hash(made)
    describe(made)
    if pickle.loads(pickle.dumps(made)) != made:
        raise ValueError(f"is {spec!r}, but a copy of {kind}() is not equal to it: make it a frozen dataclass")
