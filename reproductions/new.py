"""``reproductions new FOLDER``: a repository for a paper of one's own, with an example that works."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shlex
import sys
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from reproductions.report.errors import ReportError
from reproductions.report.files import publish
from reproductions.report.papers import HERE

RENAMED = {"gitignore": ".gitignore"}  # a hidden file would be left out of a wheel


def create(folder: Path, name: str | None = None) -> int:
    """Write the files of a new repository; its paper is called after the folder unless it has a name.

    Raises
    ------
    ReportError
        If the name cannot be one of a paper and a Python package, or something is in the folder already.
    """
    name = name or folder.absolute().name.lower().replace("-", "_")
    if fault := _fault(name):
        raise ReportError(f"a paper cannot be called {name[:80]!r}: {fault}; choose another with --name")
    try:
        if folder.exists() and (not folder.is_dir() or any(each.name != ".git" for each in folder.iterdir())):
            raise ReportError(f"{folder} is there already: name a folder that is new or empty")
        publish(_files(resources.files(__package__) / "template", folder, name), {})
    except OSError as error:
        raise ReportError(f"cannot write {folder}: {error.strerror}") from None
    print(f"made the paper {name}: cd {shlex.quote(str(folder))} && pytest")
    return 0


def _fault(name: str) -> str:
    """Say why a paper cannot have a name; nothing if it can."""
    if not re.fullmatch("[a-z][a-z0-9_]{0,99}", name):
        return "its name is a folder and a Python package, of a-z, 0-9 and _, and begins with a letter"
    if keyword.iskeyword(name) or name in sys.stdlib_module_names:
        return "that is a word or a module of Python"
    if (HERE / name).exists() or name == "results":
        return "this suite has something of that name"
    spec = importlib.util.find_spec(name)
    return "a package of that name is installed" if spec and spec.origin else ""


def _files(template: Traversable, folder: Path, name: str) -> dict[Path, str]:
    """Return the texts of a folder of the template by where they go."""
    found: dict[Path, str] = {}
    for entry in template.iterdir():
        if entry.is_dir():
            found |= _files(entry, folder / name, name)
        elif entry.name.endswith(".in"):
            stem = entry.name.removesuffix(".in")
            found[folder / RENAMED.get(stem, stem)] = Template(entry.read_text(encoding="utf-8")).substitute(name=name)
    return found
