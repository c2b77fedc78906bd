"""The entry point of pytest: in any repository it does nothing but look for a ``claims.yaml`` near the tests.

Where there is one, the plugin is loaded, early enough for its options. Elsewhere pytest has neither options nor
fixtures nor a header of the suite, and loads none of its libraries.
"""

from __future__ import annotations

import glob
import importlib.util
import os
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

import pytest

PLUGIN = "reproductions.harness.plugin"
FILE = "claims.yaml"
DEPTH = 3  # folders below those that are named; src/package/papers/ has its papers in the third
WIDTH = 300  # a folder of more folders holds data
MOST = 300  # folders of a level that are looked into
SKIPPED = {"node_modules", "site-packages", "venv", "env", "build", "dist"}


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Load the plugin if a folder of the tests, one above or one below it has claims."""
    if any(map(has_claims, dict.fromkeys(_places(early_config)))):
        early_config.pluginmanager.import_plugin(PLUGIN)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say how a test is run whose claims lie too deep to be found before its folder was named."""
    if config.pluginmanager.has_plugin(PLUGIN):
        return
    for item in items:
        marker = item.get_closest_marker("claim")
        folder = next((each for each in item.path.parents if (each / FILE).is_file()), None)
        if marker and folder:
            raise pytest.UsageError(f"{folder / FILE} lies too deep to be found as pytest starts: name its folder")


def has_claims(folder: Path) -> bool:
    """Return whether a folder, one above it or one up to three levels below it has a claims file."""
    level = [str(folder)]
    if claims_above(folder):
        return True
    for _ in range(DEPTH):
        level = list(islice(chain.from_iterable(map(_children, level)), MOST))
        if _any(level):
            return True
    return False


def claims_above(folder: Path) -> bool:
    """Return whether a folder or one above it has a claims file."""
    return _any(map(str, (folder, *folder.parents)))


def _any(folders: Iterable[str]) -> bool:
    return any(os.path.isfile(os.path.join(folder, FILE)) for folder in folders)


def _children(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            found = [each for each in entries if each.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    named = [each.path for each in found if not each.name.startswith((".", "__")) and each.name not in SKIPPED]
    return named if len(named) <= WIDTH else []


def _places(config: pytest.Config) -> Iterator[Path]:
    """Yield folders in which tests may be: where pytest was started, those that it was given, and its testpaths.

    What is given may also be the value of an option that is not known yet.
    """
    here, known = config.invocation_params.dir, config.known_args_namespace
    yield here
    for argument in known.file_or_dir:
        path = Path(os.path.abspath(here / str(argument).split("::")[0]))
        if path.exists():
            yield path if path.is_dir() else path.parent
        elif known.pyargs and (package := _package(str(argument).split("::")[0])):
            yield package
    for pattern in config.getini("testpaths"):
        yield from (Path(each) for each in glob.glob(str(config.rootpath / pattern)))


def _package(name: str) -> Path | None:
    """Return the folder of an importable package or module, without importing it."""
    top, *inner = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    folders = (spec.submodule_search_locations if spec else None) or []
    return next((path for each in folders for path in _nearest(Path(each), inner)), None)


def _nearest(folder: Path, inner: list[str]) -> Iterator[Path]:
    path = folder.joinpath(*inner)
    yield from (each for each in (path, path.parent) if each.is_dir())
