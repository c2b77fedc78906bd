"""What the commands ``table``, ``site`` and ``pages`` do with what the command line says."""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from reproductions.harness.runs.settings import SCALES
from reproductions.report import pages as markdown
from reproductions.report import records, tables
from reproductions.report import show as claims
from reproductions.report.errors import ReportError
from reproductions.report.files import publish
from reproductions.report.merge import Results, merge
from reproductions.report.papers import HERE, in_checkout, load_all, load_papers, root_of
from reproductions.report.results import read_folder


def table(given: argparse.Namespace) -> int:
    """Print the table; write it in other forms, all that are asked for or none."""
    results = _tried(_read(given), given.scale)
    texts = {given.csv: tables.as_csv, given.latex: tables.as_latex}
    _check_outputs(filter(None, texts), _folders(given))
    publish({path: form(results) for path, form in texts.items() if path}, {})
    print(tables.terminal(results, shutil.get_terminal_size((200, 50)).columns, given.verdict))
    return 0


def show(given: argparse.Namespace) -> int:
    """Print all that is known about one claim."""
    results = _read(given)
    if given.scale and any(each.claim.id == given.claim and not each.headline.file for each in results.findings):
        raise ReportError(_elsewhere(given))
    print(claims.show(results, given.claim, min(shutil.get_terminal_size((100, 50)).columns, 120)))
    return 0


def site(given: argparse.Namespace) -> int:
    """Write the site; an earlier one there is replaced."""
    from reproductions.report import site as web  # with libraries of the extra `report`

    results = _tried(_read(given), given.scale)
    web.check_place(given.to)
    _check_outputs([given.to], [*_folders(given), *filter(None, [given.history])])
    draft = web.draft(results, given.to, records.read(given.history) if given.history else [])
    try:
        publish({}, {given.to: draft})
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    print(f"open {given.to / 'index.html'}")
    return 0


def pages(given: argparse.Namespace) -> int:
    """Renew the pages of the papers and the README, or with ``--check`` end with 1 if one is not up to date."""
    root = in_checkout(given.papers or root_of(given.results))
    readme = given.readme or (HERE.parent if root == HERE else root) / "README.md"
    folder, beside = read_folder(given.results), given.results.absolute().parent  # where a paper keeps what it has
    results = merge([folder if root == beside else markdown.committed(folder)], load_papers(root))
    texts = markdown.pages(results, root)
    texts[readme] = markdown.readme(_text(readme), results, readme, root)
    stale = {path: text for path, text in texts.items() if not path.exists() or _text(path) != text}
    said = "is not up to date: reproductions pages renews it" if given.check else "was renewed"
    for path in stale:
        print(f"{os.path.relpath(path)} {said}")
    if not given.check:
        publish(stale, {})
    return int(given.check and bool(stale))


def _folders(given: argparse.Namespace) -> list[Path]:
    return given.folders or [Path("results")]


def _check_outputs(outputs: Iterable[Path], inputs: Sequence[Path]) -> None:
    """Refuse to write into a results folder: what is there is evidence."""
    for path, folder in itertools.product(outputs, inputs):
        if path.resolve().is_relative_to(folder.resolve()):
            raise ReportError(f"{path} lies in the results folder {folder}, which stays as it is: write elsewhere")


def _read(given: argparse.Namespace) -> Results:
    folders = [read_folder(path, given.scale or SCALES) for path in _folders(given)]
    roots = given.papers or list(map(root_of, _folders(given)))
    papers = load_all(roots)
    if not any(paper.claims for paper in papers):
        raise ReportError(f"there is no <paper>/claims.yaml with a claim in {', '.join(map(str, roots))}")
    results = merge(folders, papers, given.prefer == "newest")
    if results.unknown:
        names = ", ".join(results.unknown)
        print(f"left out, as no claims file has them: {names}; --papers names the folder of one", file=sys.stderr)
    return results


def _tried(results: Results, scales: Sequence[str] | None) -> Results:
    """Leave out the claims of which there is nothing at the scales that are asked for, and say how many.

    At other scales there may be something, so that to call them not run would be wrong.
    """
    if not scales:
        return results
    tried = tuple(finding for finding in results.findings if finding.headline.file)
    if missing := len(results.findings) - len(tried):
        print(
            f"left out, as there is nothing of them at scale {' or '.join(scales)}: {missing} claims", file=sys.stderr
        )
    return replace(results, findings=tried)


def _elsewhere(given: argparse.Namespace) -> str:
    """Say that there is nothing of a claim at the scales that are asked for, and at which there is."""
    results = _read(argparse.Namespace(**vars(given) | {"scale": None}))
    (finding,) = (finding for finding in results.findings if finding.claim.id == given.claim)
    evidence = [each.verdict.scale for each in (finding.headline, *finding.others) if each.file]
    there = f"there is at scale {' and '.join(dict.fromkeys(evidence))}" if evidence else "nor at any other"
    return f"there is nothing of {given.claim} at scale {' or '.join(given.scale)}; {there}"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"cannot read {path}: {error}") from None
