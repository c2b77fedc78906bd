"""The static site: pages that need no server, no network and no script to be read."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from reproductions.harness.settings import SCALES
from reproductions.harness.verdicts import VERDICTS
from reproductions.report import vocabulary
from reproductions.report.errors import ReportError
from reproductions.report.mathematics import with_formulas
from reproductions.report.merge import Results
from reproductions.report.results import Plot, data_of
from reproductions.report.sections import GROUPS
from reproductions.report.tables import counts, reproduced
from reproductions.report.views import Page, page_of

MARK = '<meta name="generator" content="tabulate">'  # a folder whose index.html has it may be replaced


def check_place(folder: Path) -> None:
    """Check that a site can go to a folder.

    Raises
    ------
    ReportError
        If something other than an earlier site is there.
    """
    index = folder / "index.html"
    if folder.exists() and not folder.is_dir():
        raise ReportError(f"the site cannot go to {folder}: it is a file")
    if folder.is_dir() and any(folder.iterdir()) and not (index.exists() and MARK in index.read_text(errors="ignore")):
        raise ReportError(f"the site cannot go to {folder}: the folder holds something other than a site of tabulate")


def draft(results: Results, folder: Path) -> Path:
    """Write a site beside the folder that it will replace, and return where.

    The folder has the pages ``index.html`` and ``<paper>.html``, and all that they need.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        with contextlib.ExitStack() as unfinished:
            unfinished.callback(shutil.rmtree, place)
            place.chmod(0o755)  # not private, as temporary folders are
            _write(results, place)
            unfinished.pop_all()
    except OSError as error:
        raise ReportError(f"cannot write {folder}: {error.strerror}") from None
    return place


def _write(results: Results, place: Path) -> None:
    pages = [page_of(results, paper) for paper in results.papers]
    for name, text in render(results, pages).items():
        (place / name).write_text(text, encoding="utf-8")
    for name in ("style.css", "script.js"):
        (place / name).write_text(resources.files(__package__).joinpath("static", name).read_text())
    for plot in results.plots:
        _copy(plot, place / "figures" / plot.scale / plot.paper)


def render(results: Results, pages: Sequence[Page]) -> dict[str, str]:
    """Return the pages by file name; a paper without claims has none."""
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "formulas": with_formulas,
        "reproduced": reproduced,
        "plain": _plain,
        "data": data_of,
        "quoted": shlex.join,
    }
    environment.globals |= {"counts": counts, "meanings": vocabulary.MEANINGS, "verdicts": VERDICTS, "mark": MARK}
    shared = {
        "results": results,
        "pages": pages,
        "all_scales": SCALES,
        "scale_meanings": vocabulary.SCALES,
        "groups": GROUPS,
    }
    texts = {"index.html": environment.get_template("index.html").render(shared)}
    paper = environment.get_template("paper.html")
    return texts | {f"{page.paper.name}.html": paper.render(shared, page=page) for page in pages if page.parts}


def _plain(text: str) -> str:
    """Return a verdict or scale as a CSS class."""
    return text.replace(" ", "-")


def _copy(plot: Plot, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in plot.files.values():
        shutil.copyfile(path, folder / path.name)
