"""The forest plot of a paper: every verdict in one picture, with what was found beside where it has to lie."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from reproductions.report.merge import Finding
from reproductions.report.regions import region_of
from reproductions.report.render import Filter, templates
from reproductions.report.sections import Section, section_of
from reproductions.report.vocabulary import MEANINGS

REACH = 3.0  # how far the picture shows what lies off the middle, in half widths of a band
CAPTION = (
    "Each square is the verdict of a claim, under the figure, table or theorem that makes it. A claim that an "
    "interval decided has a line of its own; beside the titles stand the others: exact values, identities, and what "
    "was not run. Grey is where the number has to lie. A band, such as that around a printed number, reaches from the "
    "left to the right line, with a tick at what is printed; a bound is the right line, and zero the left one; of an "
    "order or a direction, the middle line is no difference, or the margin that is allowed, the right half what the "
    "paper says, and what was found is two units away. Of an erratum or misprint it is the corrected statement that "
    "has to hold. An interval that reaches out of its grey although its claim stands was not enough alone: it was "
    "decided with the others of its figure by Holm's procedure. A deviation from an order lies left of the middle. "
    "Arrows lead out of the picture."
)
Scale = Callable[[float], float]


@dataclass(frozen=True)
class Bar:
    """A claim with its number on the common axis, on which a band reaches from -1 to 1.

    Attributes
    ----------
    estimate, low, high
        What was found, which may lie outside of the picture.
    band
        Where it has to lie; None if that is not known.
    printed
        What the paper prints; None if it prints no number, or another one than the decision is about.
    """

    finding: Finding
    estimate: float
    low: float
    high: float
    band: tuple[float, float] | None
    printed: float | None = None


@dataclass(frozen=True)
class Block:
    """A section of the paper: its claims with a number, and the others."""

    section: Section
    bars: tuple[Bar, ...]
    marks: tuple[Finding, ...]


def blocks(findings: Iterable[Finding]) -> list[Block]:
    """Return the sections of a paper in the order in which its page has them."""
    ordered = sorted(findings, key=lambda finding: section_of(finding.claim.source))
    return [_block(section, list(group)) for section, group in groupby(ordered, lambda f: section_of(f.claim.source))]


def _block(section: Section, findings: list[Finding]) -> Block:
    drawn = {finding.claim.id: bar for finding in findings if (bar := bar_of(finding))}
    return Block(section, tuple(drawn.values()), tuple(f for f in findings if f.claim.id not in drawn))


def bar_of(finding: Finding) -> Bar | None:
    """Return the number of a claim on the common axis; None if its verdict rests on none."""
    v = finding.headline.verdict
    if region := region_of(v):
        scale, band = _scale(region.low, region.high, region.estimate, region.difference is not None)
        low, high = sorted(map(scale, region.interval))
        return Bar(finding, scale(region.estimate), low, high, band, _printed(finding, scale, band))
    if v.verdict == "deviates" and v.interval:
        return _deviation(finding, v.interval)
    return _exact(finding)


def _scale(low: float, high: float, estimate: float, difference: bool = False) -> tuple[Scale, tuple[float, float]]:
    """Return what puts a number, or a difference of two, on the common axis, and the region there."""
    if math.isfinite(low) and math.isfinite(high):
        middle, half = (low + high) / 2, (high - low) / 2
        return (lambda value: (value - middle) / half if half else value - middle), (-1.0, 1.0)
    if math.isinf(low) and high == 1 and not difference:  # a ratio to a bound
        return (lambda value: 2 * value - 1), (-1.0, 1.0)
    end, sign = (high, -1) if math.isinf(low) else (low, 1)
    unit = abs(estimate - end) or 1.0
    return (lambda value: 2 * sign * (value - end) / unit), (0.0, REACH)


def _printed(finding: Finding, scale: Scale, band: tuple[float, float]) -> float | None:
    """Return a printed number inside of what the decision was about; others are of another quantity."""
    value = finding.claim.value
    if finding.reduced or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return scale(value) if band[0] < scale(value) < band[1] else None


def _deviation(finding: Finding, interval: tuple[float, float]) -> Bar:
    middle = sum(interval) / 2
    unit = abs(middle) or 1.0
    low, high = sorted(-2 * abs(end) / unit if end * middle > 0 else 2 * abs(end) / unit for end in interval)
    return Bar(finding, -2.0, low, high, (0.0, REACH))


def _exact(finding: Finding) -> Bar | None:
    v, ends = finding.headline.verdict, finding.claim.ends
    if v.estimate is None or v.interval or finding.reduced or ends is None or not all(map(math.isfinite, ends)):
        return None
    scale, band = _scale(*ends, v.estimate)
    found = scale(v.estimate)
    return Bar(finding, found, found, found, band, _printed(finding, scale, band)) if abs(found) <= 1 else None


# ------------------------------------------------------------------------------------------------------------- drawing

TOP, ROW, LINE, TITLE = 36, 17, 13, 22  # heights of the head, of a bar, of its further lines, and of a title
HEAD, MARK, LETTER, BOLD = 106, 15, 6.4, 7.6  # where marks begin after a title, and widths: theirs and of letters


@dataclass(frozen=True)
class Columns:
    """Positions across the picture, in pixels: the ends of labels and of the axis, and the columns of text.

    Attributes
    ----------
    printed, found
        Where the columns begin; a narrow picture, for a phone, has none.
    axis
        What is said of the axis.
    """

    label: int
    left: int
    right: int
    width: int
    axis: str
    printed: int = 0
    found: int = 0


WIDE = Columns(300, 330, 570, 1272, "grey: where it has to lie (band: −1 to 1)", 588, 820)
NARROW = Columns(200, 222, 350, 358, "band: −1 to 1")


@dataclass(frozen=True)
class Placed:
    """A title with its marks, or a bar with the lines of its texts, at its place."""

    x: float
    y: float
    block: Block
    bar: Bar | None = None
    printed: Sequence[str] = ()
    found: Sequence[str] = ()


def place(sections: Iterable[Block], columns: Columns = WIDE) -> tuple[list[Placed], float]:
    """Return where everything stands, and the height of it all: sections without bars share a line."""
    placed: list[Placed] = []
    at, y = 0.0, float(TOP)
    for block in sections:
        if at and (block.bars or at + _width(block) > columns.width):
            at, y = 0, y + TITLE
        placed.append(Placed(at, y, block))
        at += _width(block) + 24
        if block.bars:
            y += 4 if _shares_a_line(block, columns) else TITLE
            for bar in block.bars:
                placed.append(_row(y, block, bar, columns))
                y += ROW + LINE * (max(len(placed[-1].printed), len(placed[-1].found), 1) - 1)
            at, y = 0, y + 4
    return placed, y + (TITLE if at else 0) + 8


def _row(y: float, block: Block, bar: Bar, columns: Columns) -> Placed:
    if not columns.found:
        return Placed(0, y, block, bar)
    claim, found = bar.finding.claim, bar.finding.headline.verdict.found
    printed = "" if claim.value is None else claim.reported
    sizes = (columns.found - columns.printed - 8, columns.width - columns.found)
    return Placed(0, y, block, bar, *(_wrapped(text, size) for text, size in zip((printed, found), sizes, strict=True)))


def _wrapped(text: str, size: float) -> list[str]:
    return textwrap.wrap(text.replace("<=", "≤"), int(size / LETTER), max_lines=3, placeholder=" …")


def _head(block: Block) -> float:
    """Return where the marks of a section begin after its title."""
    return max(HEAD, 8 + BOLD * len(block.section.title))


def _width(block: Block) -> float:
    return _head(block) + MARK * len(block.marks)


def _shares_a_line(block: Block, columns: Columns) -> bool:
    return _width(block) < columns.label - LETTER * len(block.bars[0].finding.short) - 8


def x(value: float, columns: Columns = WIDE) -> float:
    """Return the position of a number of the common axis, at the edge if it lies outside."""
    middle, half = (columns.left + columns.right) / 2, (columns.right - columns.left) / 2
    return round(middle + max(-REACH, min(REACH, value)) / REACH * half, 1)


def draw(paper: str, findings: Iterable[Finding], columns: Columns = WIDE) -> str:
    """Return the forest plot of a paper as SVG; it follows the colours of the system."""
    placed, height = place(blocks(findings), columns)
    names = {"paper": paper, "placed": placed, "height": height, "reach": REACH, "caption": CAPTION, "columns": columns}
    filters: dict[str, Filter] = {"head": _head, "plain": lambda text: text.replace(" ", "-")}
    drawing = templates(filters | {"x": partial(x, columns=columns)}, True)
    sizes = {"TOP": TOP, "MARK": MARK, "LINE": LINE}
    return drawing.get_template("forest.svg").render(names | sizes, meanings=MEANINGS)
