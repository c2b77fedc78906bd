"""The static site: pages that need no server, no network and no script to be read."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from reproductions.harness.verdicts.record import VERDICTS
from reproductions.report import forest, vocabulary
from reproductions.report.drift import ALPHA
from reproductions.report.errors import ReportError
from reproductions.report.files import svg_size
from reproductions.report.history import TITLES, number
from reproductions.report.mathematics import with_formulas
from reproductions.report.merge import Results
from reproductions.report.nights import history_of
from reproductions.report.records import Record
from reproductions.report.regions import interval_name
from reproductions.report.render import Filter, templates
from reproductions.report.results import Plot
from reproductions.report.sections import GROUPS
from reproductions.report.standings import UNITS, advice, heats
from reproductions.report.summary import HALVES, LEGEND, sentence, summarize, total
from reproductions.report.views import Page, best, cost, data_of, elsewhere, page_of, redraw, rerun

_VIEWS: dict[str, Filter] = {view.__name__: view for view in (cost, data_of, elsewhere, interval_name, redraw, rerun)}
# what a page may load; images come as data too, which style sheets use; sizes of figures are inline styles
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'"
)
MADE = "files.txt"  # names what a site is made of, so that what was added to it is not lost
MARK = '<meta name="generator" content="reproductions">'  # a folder whose index.html has it may be replaced


def check_place(folder: Path) -> None:
    """Check that a site can go to a folder.

    Raises
    ------
    ReportError
        If something other than an earlier site is there, or something was added to it.
    """
    index = folder / "index.html"
    if folder.exists() and not folder.is_dir():
        raise ReportError(f"the site cannot go to {folder}: it is a file")
    if folder.is_dir() and any(folder.iterdir()) and not (index.exists() and MARK in index.read_text(errors="ignore")):
        raise ReportError(f"the site cannot go to {folder}: the folder holds something other than a site of this suite")
    if (folder / MADE).exists():
        made = {MADE, *(folder / MADE).read_text(encoding="utf-8", errors="replace").splitlines()}
        if added := [name for name in _files(folder) if name not in made]:
            raise ReportError(f"the site cannot go to {folder}: {added[0]} was added to the earlier one, move it away")


def _files(folder: Path) -> list[str]:
    paths = sorted(folder.rglob("*"))
    return [path.relative_to(folder).as_posix() for path in paths if path.is_symlink() or not path.is_dir()]


def draft(results: Results, folder: Path, records: Sequence[Record] = ()) -> Path:
    """Write a site beside the folder that it will replace, and return where.

    The folder has the pages ``index.html`` and ``<paper>.html``, ``history.html`` if there are records of a history,
    ``compare.html`` if there are standings of a comparison, and all that they need.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        with contextlib.ExitStack() as unfinished:
            unfinished.callback(shutil.rmtree, place)
            place.chmod(0o755)  # not private, as temporary folders are
            _write(results, place, records)
            (place / MADE).write_text("".join(f"{name}\n" for name in _files(place)), encoding="utf-8")
            unfinished.pop_all()
    except OSError as error:
        raise ReportError(f"cannot write {folder}: {error.strerror}") from None
    return place


def _write(results: Results, place: Path, records: Sequence[Record]) -> None:
    pages = [page_of(results, paper) for paper in results.papers]
    for name, text in render(results, pages, records).items():
        (place / name).write_text(text, encoding="utf-8")
    for name in ("style.css", "script.js"):
        (place / name).write_text(resources.files(__package__).joinpath("static", name).read_text())
    (place / "figures").mkdir()
    for page in pages:
        for columns, name in ((forest.WIDE, page.paper.name), (forest.NARROW, f"{page.paper.name}-narrow")):
            picture = forest.draw(page.paper.title, results.of(page.paper.name), columns)
            (place / "figures" / f"{name}.svg").write_text(picture, encoding="utf-8")
    for plot in best(results.plots):
        _copy(plot, place / "figures" / plot.scale / plot.paper)


def render(results: Results, pages: Sequence[Page], records: Sequence[Record] = ()) -> dict[str, str]:
    """Return the pages by file name; a paper without claims has none, nor has the history without records."""
    filters: dict[str, Filter] = {"formulas": with_formulas, "plain": _plain, "quoted": shlex.join, "size": svg_size}
    environment = templates(filters | _VIEWS | {"number": number}, markup=True)
    environment.globals |= {"meanings": vocabulary.MEANINGS, "verdicts": VERDICTS, "mark": MARK, "policy": POLICY}
    rows = summarize(results)
    compared = heats(best(results.plots))
    shared = {
        "results": results,
        "pages": pages,
        "scale_meanings": vocabulary.SCALES,
        "groups": GROUPS,
        "rows": rows,
        "total": total(rows),
        "halves": HALVES,
        "caption": forest.CAPTION,
        "explained": vocabulary.EXPLAINED,
        "sentence": f"{sentence(rows)} {LEGEND}",
        "history": history_of(records),
        "heats": compared,
    }
    texts = {"index.html": environment.get_template("index.html").render(shared)}
    if records:
        claims = {claim for paper in results.papers for claim in paper.claims}
        text = environment.get_template("history.html").render(shared, kinds=TITLES, alpha=ALPHA, claims=claims)
        texts["history.html"] = text
    if compared:
        told = environment.get_template("compare.html")
        texts["compare.html"] = told.render(shared, measures=UNITS, most=sys.float_info.max, advice=advice(compared))
    paper = environment.get_template("paper.html")
    return texts | {f"{page.paper.name}.html": paper.render(shared, page=page) for page in pages if page.parts}


def _plain(text: str) -> str:
    """Return a verdict or scale as a CSS class."""
    return text.replace(" ", "-")


def _copy(plot: Plot, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in plot.files.values():
        shutil.copyfile(path, folder / path.name)
