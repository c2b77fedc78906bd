"""Documentation made from the claims: ``python -m reproductions.report.documentation`` writes docs/papers/<paper>.md.

A page says what the paper states, how each claim is read and decided, what is known to be wrong or different, and how
to run the test that decides it. With ``--check`` nothing is written: it ends with 1 and names the pages that are not up
to date.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from reproductions.harness.claims import Claim, load_claims
from reproductions.harness.provenance import ROOT
from reproductions.harness.settings import SCALES

HOME = ROOT / "docs" / "papers"


@dataclass(frozen=True)
class Module:
    """A test file of a paper: where it is, the first line of its docstring, and the claims that it decides."""

    path: str
    title: str
    claims: tuple[Claim, ...]


# -------------------------------------------------------------------------------------------- what there is to document


def papers(reproductions: Path = ROOT / "reproductions") -> dict[str, list[Module]]:
    """Return the test files of all papers, in the order in which the claims files reach them.

    Raises
    ------
    RuntimeError
        If the tests cannot be collected.
    """
    folders = sorted(path.parent for path in reproductions.glob("*/claims.yaml"))
    deciding = _collect(folders)
    return {folder.name: _modules(folder, deciding) for folder in folders}


def _collect(folders: Iterable[Path]) -> dict[str, Path]:
    """Return the test file that decides each claim, as pytest sees it."""
    found = _Collected()
    quiet = ["--collect-only", "-p", "no:terminal", "-p", "no:cacheprovider", "-o", "addopts="]
    code = pytest.main([*quiet, f"--rootdir={ROOT}", "-c", os.devnull, *map(str, folders)], plugins=[found])
    if code != pytest.ExitCode.OK:
        raise RuntimeError(f"pytest cannot collect the reproductions (exit code {code}): see pytest --collect-only")
    return found.files


class _Collected:
    """A plugin that remembers which file decides which claim."""

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        marked = ((item.get_closest_marker("claim"), item.path) for item in session.items)
        self.files = {marker.args[0]: path for marker, path in marked if marker}


def _modules(folder: Path, deciding: Mapping[str, Path]) -> list[Module]:
    claims: dict[Path, list[Claim]] = defaultdict(list)
    for claim in load_claims(folder / "claims.yaml").values():
        claims[deciding[claim.id]].append(claim)
    return [Module(path.relative_to(ROOT).as_posix(), _title(path), tuple(found)) for path, found in claims.items()]


def _title(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or path.stem
    return " ".join(docstring.split("\n\n")[0].split()).rstrip(".")


# ---------------------------------------------------------------------------------------------------------- as Markdown


def page(paper: str, title: str, modules: Sequence[Module]) -> str:
    """Return the page of a paper."""
    claims = [claim for module in modules for claim in module.claims]
    head = [
        f"# {escape(title)}",
        "Made from `claims.yaml` by `python -m reproductions.report.documentation`; change it there. What was found is "
        "in the tables that `tabulate` makes; how verdicts are reached is in [statistics](../statistics.md).",
        _summary(claims),
        f"```sh\npytest reproductions/{paper}\n```",
        _contents(modules),
    ]
    return "\n\n".join([*head, *(part for module in modules for part in _section(module))]) + "\n"


def _summary(claims: Sequence[Claim]) -> str:
    anywhere = sum(claim.scale == "any" for claim in claims)
    errata = sum(bool(claim.erratum) for claim in claims)
    deviations = sum(bool(claim.deviates) for claim in claims)
    return (
        f"{len(claims)} claims: {anywhere} can be decided at any scale, {len(claims) - anywhere} only in the paper's "
        f"own setting: a smaller scale shows a trend at best. {errata} are errata: what is printed is wrong, and a "
        f"corrected statement is decided. {deviations} are known to deviate at some scale."
    )


def _contents(modules: Sequence[Module]) -> str:
    rows = [f"| {escape(module.title)} | `pytest {module.path}` | {len(module.claims)} |" for module in modules]
    return "\n".join(["| figure, table or theorem | its own command | claims |", "|---|---|---:|", *rows])


def _section(module: Module) -> list[str]:
    return [f"## {escape(module.title)}", *(_claim(claim, module) for claim in module.claims)]


def _claim(claim: Claim, module: Module) -> str:
    entries = {
        "Reported": claim.reported if claim.value is not None else "",
        "Measured": claim.metric,
        "Tolerance": f"{claim.tolerance}. {claim.reason}",
        "Decided": _decided(claim),
        "Reading": claim.note,
        "Erratum": claim.erratum,
        **{f"Known deviation at {scale} scale": (claim.deviates or {}).get(scale, "") for scale in SCALES},
        "Covers also": ", ".join(claim.merges),
    }
    lines = [f"- **{name}:** {escape(text)}" for name, text in entries.items() if text]
    run = f"- **Run:** `pytest {module.path} -k {claim.id}`"
    return "\n".join(
        [f"### `{claim.id}`", "", f"{escape(claim.source)}:", "", f"> {escape(claim.quote)}", "", *lines, run]
    )


def _decided(claim: Claim) -> str:
    if claim.scale == "any":
        return "at any scale"
    return "only at --scale paper" + (f"; a smaller scale tests in its place: {claim.trend}" if claim.trend else "")


def escape(text: str) -> str:
    """Escape plain text for Markdown, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>|$~#])", r"\\\1", " ".join(text.split()))


# --------------------------------------------------------------------------------------------------------- command line


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or check them; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reproductions.report.documentation", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say which pages are not up to date")
    given = parser.parse_args(arguments)
    pages = {HOME / f"{name}.md": page(name, _paper(name), modules) for name, modules in papers().items()}
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    stale += sorted(set(HOME.glob("*.md")) - pages.keys())
    if not given.check:
        _write(pages, stale)
    for path in stale:
        print(f"{path.relative_to(ROOT)} {'is not up to date' if given.check else 'was renewed'}")
    return int(given.check and bool(stale))


def _paper(name: str) -> str:
    return _title(ROOT / "reproductions" / name / "__init__.py")


def _write(pages: Mapping[Path, str], stale: Iterable[Path]) -> None:
    HOME.mkdir(parents=True, exist_ok=True)
    for path in stale:
        if path in pages:
            path.write_text(pages[path])
        else:
            path.unlink()  # of a paper that is no longer here


if __name__ == "__main__":
    sys.exit(main())
