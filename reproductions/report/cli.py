"""``tabulate``: reads results folders, prints their table and writes every other form of the report."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from reproductions.harness.settings import SCALES
from reproductions.report import markdown, site, tables
from reproductions.report.errors import ReportError
from reproductions.report.files import publish
from reproductions.report.merge import Results, merge
from reproductions.report.papers import HERE, load_papers
from reproductions.report.results import read_folder

EXAMPLES = """examples:
  tabulate                                  the table of results/ on the terminal
  tabulate --site site                      also the site; open site/index.html, no server needed
  tabulate results gpu-results --site site  two folders as one
"""


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    p = _Parser(
        prog="tabulate",
        description="Turn the verdicts and plots of results folders into a table, pages and a static site.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument(
        "folders", nargs="*", type=Path, metavar="FOLDER", help="results folders to merge (default: results)"
    )
    p.add_argument("--site", type=Path, metavar="DIR", help="write the static site; an earlier site there is replaced")
    p.add_argument("--markdown", type=Path, metavar="DIR", help="write a page <paper>.md for each paper")
    p.add_argument(
        "--readme", type=Path, metavar="FILE", help="renew the table of papers between the markers in a README"
    )
    p.add_argument("--latex", type=Path, metavar="FILE", help="write a booktabs longtable")
    p.add_argument("--csv", type=Path, metavar="FILE", help="write one row a verdict with all of its fields")
    p.add_argument(
        "--scale", choices=SCALES, action="append", help="report this scale only; can be given several times"
    )
    p.add_argument("--prefer", choices=["newest"], help="let the newest of verdicts that contradict each other win")
    p.add_argument(
        "--papers", type=Path, default=HERE, metavar="DIR", help="folder with <paper>/claims.yaml, if not this suite's"
    )
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``tabulate``; return 2, with one sentence on standard error, if something is wrong with its input."""
    options = parser().parse_args(arguments)
    try:
        results = read(options)
        write(results, options)
    except ReportError as error:
        print(f"tabulate: {error}", file=sys.stderr)
        return 2
    print(tables.terminal(results, shutil.get_terminal_size((200, 50)).columns))
    return 0


def read(options: argparse.Namespace) -> Results:
    """Read and merge the folders that the command line names."""
    paths, scales = options.folders or [Path("results")], options.scale or SCALES
    folders = [read_folder(path, scales) for path in paths]
    return merge(folders, load_papers(options.papers), options.prefer == "newest")


def write(results: Results, options: argparse.Namespace) -> None:
    """Write all forms that the command line asks for, or none of them."""
    texts = _texts(results, options)
    if options.site:
        site.check_place(options.site)
    drafts = {options.site: site.draft(results, options.site)} if options.site else {}
    try:
        publish(texts, drafts)
    finally:
        for draft in drafts.values():
            shutil.rmtree(draft, ignore_errors=True)


def _texts(results: Results, options: argparse.Namespace) -> dict[Path, str]:
    texts = markdown.pages(results, options.markdown) if options.markdown else {}
    if options.latex:
        texts[options.latex] = tables.as_latex(results)
    if options.csv:
        texts[options.csv] = tables.as_csv(results)
    if options.readme:
        linked = options.markdown or Path("results")
        texts[options.readme] = markdown.readme(_read(options.readme), results, options.readme, linked)
    return texts


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"cannot read {path}: {error}") from None
