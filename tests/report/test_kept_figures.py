"""Pictures and tables that a checkout keeps: axes have labels, nothing hides a curve, and parameters are columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from xml.etree.ElementTree import Element, parse

import numpy as np
import pandas as pd
import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from reproductions.harness.figures import FigureFolder, panels
from tests.harness.toy_session import ROOT

SVG = "{http://www.w3.org/2000/svg}"
IN_WORDS = {"clustersgd/killed", "coopsgd/figure2"}  # lines with words along them; a title that names what is drawn
PICTURES = sorted((ROOT / "results").glob("**/*.svg"))


def groups(element: Element, prefix: str) -> list[Element]:
    return [group for group in element.findall(f"{SVG}g") if group.get("id", "").startswith(prefix)]


def axes_of(path: Path) -> list[Element]:
    (figure,) = groups(parse(path).getroot(), "figure_")
    return groups(figure, "axes_")


def points(path: Element) -> np.ndarray:
    numbers = re.findall(r"-?[\d.]+", path.get("d") or "")
    return np.array(numbers, dtype=float).reshape(-1, 2)


def without_label(axes: Element) -> list[str]:
    """Name the axes with numbers at their ticks and no label; words at ticks say what they are."""
    found = []
    for name, axis in zip("xy", groups(axes, "matplotlib.axis_"), strict=False):
        texts = ["".join(text.itertext()) for tick in groups(axis, f"{name}tick_") for text in groups(tick, "text_")]
        numbers = [text for text in texts if re.fullmatch(r"[\s\d.,%−×-]+", text)]
        if len(numbers) > 1 and not groups(axis, "text_"):
            found.append(name)
    return found


def overlapping_ticks(axes: Element) -> list[tuple[str, str]]:
    """Name neighbours among the tick labels of the x axis that run into each other."""
    ticks = [tick for axis in groups(axes, "matplotlib.axis_") for tick in groups(axis, "xtick_")]
    texts = [text for tick in ticks for text in tick.iter(f"{SVG}text") if text.get("x")]
    rows: dict[str, list[tuple[float, float, str]]] = {}
    for text in texts:
        size = float(re.findall(r"font-size: ([\d.]+)px", text.get("style", ""))[0])
        width = text_to_path.get_text_width_height_descent(text.text, FontProperties(size=size), ismath=False)[0]
        rows.setdefault(text.get("y", ""), []).append((float(text.get("x", 0)), width, text.text or ""))
    pairs = [pair for row in rows.values() for pair in pairwise(sorted(row))]
    return [(a[2], b[2]) for a, b in pairs if b[0] - a[0] < (a[1] + b[1]) / 2 + 1]


def hidden_curves(axes: Element) -> int:
    """Count the segments of curves and the markers that lie under the legend."""
    if not (legends := groups(axes, "legend_")):
        return 0
    # what leaves the axes is cut off, and hidden by nothing
    boxes = [points(groups(part, "patch_")[0].findall(f"{SVG}path")[0]) for part in (legends[0], axes)]
    low, high = (
        ends([end(box, axis=0) for box in boxes], axis=0) for ends, end in ((np.max, np.min), (np.min, np.max))
    )
    segments = [s for line in groups(axes, "line2d_") for s in _segments(line)]
    markers = [use for line in groups(axes, "line2d_") for use in line.iter(f"{SVG}use")]
    spots = [np.array([[float(use.get("x", 0)), float(use.get("y", 0))]]) for use in markers]
    along = np.linspace(0, 1, 21)[:, None]
    inside = [*(start + along * (end - start) for start, end in segments), *spots]
    return sum(bool(((part > low) & (part < high)).all(axis=1).any()) for part in inside)


def _segments(line: Element) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for path in line.iter(f"{SVG}path"):
        if path.get("clip-path"):  # not the shape of a marker
            yield from pairwise(points(path))


def styles(line: Element) -> set[tuple[str, str]]:
    """Return the colours and patterns of a line and its markers."""
    found = set()
    for path in line.iter(f"{SVG}path"):
        if path.get("id") is None and len(re.findall(r"[ML]", path.get("d", ""))) > 1:
            found.add((_of(path, "stroke"), "dashed" if _of(path, "stroke-dasharray") else "solid"))
    for use in line.iter(f"{SVG}use"):
        found.add((_of(use, "stroke"), "marker"))
    return found


def unexplained(path: Path) -> list[tuple[str, str]]:
    """Name the colours and patterns of lines, markers and spans that no legend of the picture has.

    A legend may show both apart: with blue for n = 2 and black dashes for a bound, blue dashes are the bound for n = 2.
    """
    root = parse(path).getroot()
    legends = [group for group in root.iter(f"{SVG}g") if group.get("id", "").startswith("legend_")]
    shown = {style for legend in legends for line in _lines(legend) for style in styles(line)}
    filled = {_of(part, "fill") for legend in legends for part in legend.iter(f"{SVG}path")}
    colours, patterns = {colour for colour, _ in shown}, {pattern for _, pattern in shown}
    plots = [axes for axes in axes_of(path) if groups(axes, "matplotlib.axis_")]  # others show nodes with their names
    drawn = {style for axes in plots for line in _lines(axes) for style in styles(line)}
    spans = {
        ("span", _of(part, "fill"))
        for axes in plots
        for group in groups(axes, "patch_")[1:]  # the first is the paper that they are drawn on
        for part in group.findall(f"{SVG}path")
        if _of(part, "fill") not in ("none", "")
    }
    lost = (
        {style for style in drawn if style[0] not in colours or style[1] not in patterns} if len(drawn) > 1 else set()
    )
    return sorted(lost | {span for span in spans if span[1] not in filled})


def _lines(element: Element) -> list[Element]:
    return groups(element, "line2d_")


def _of(element: Element, name: str) -> str:
    return next(iter(re.findall(rf"(?:^|; ?){name}: ([^;]+)", element.get("style", ""))), "")


def colliding_texts(axes: Element) -> list[str]:
    """Name the texts inside axes that run into each other or are crossed by a line."""
    boxes = [box for group in groups(axes, "text_") for text in group.iter(f"{SVG}text") if (box := _box(text))]
    pairs = [(a, b) for k, a in enumerate(boxes) for b in boxes[:k]]
    found = [f"{a[0]} / {b[0]}" for a, b in pairs if (a[1] < b[2]).all() and (b[1] < a[2]).all()]
    along = np.linspace(0, 1, 21)[:, None]
    parts = [start + along * (end - start) for line in _lines(axes) for start, end in _segments(line)]
    crossed = {name for name, low, high in boxes for part in parts if ((part > low) & (part < high)).all(axis=1).any()}
    return sorted({*found, *crossed})


def _box(text: Element) -> tuple[str, np.ndarray, np.ndarray] | None:
    """Return a text, and the corners of the box around it; nothing if it is turned."""
    if not text.get("x") or not text.text or "rotate(-0" not in text.get("transform", ""):
        return None
    size = float(re.findall(r"([\d.]+)px", text.get("style", ""))[0])
    width = text_to_path.get_text_width_height_descent(text.text, FontProperties(size=size), ismath=False)[0]
    anchor = {"middle": 0.5, "end": 1.0}.get(_of(text, "text-anchor"), 0.0)
    x, y = float(text.get("x", 0)) - anchor * width, float(text.get("y", 0))
    return text.text, np.array([x, y - 0.7 * size]), np.array([x + width, y])


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_picture_explains_what_it_shows(path: Path) -> None:
    assert f"{path.parent.name}/{path.stem}" in IN_WORDS or unexplained(path) == []
    assert [found for axes in axes_of(path) for found in colliding_texts(axes)] == []


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_picture_can_be_read(path: Path) -> None:
    found = {
        axes.get("id"): (without_label(axes), overlapping_ticks(axes), hidden_curves(axes)) for axes in axes_of(path)
    }
    assert found == dict.fromkeys(found, ([], [], 0))


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_its_numbers_are_a_table_with_a_column_for_each_parameter(path: Path) -> None:
    frame = pd.read_csv(path.with_suffix(".csv"))
    assert not {"label", "curve", "what", "series"} & set(frame.columns)
    assert not [name for name in frame if not re.fullmatch(r"\w+", name)]
    words = {text for name in frame.select_dtypes(["object", "str"]) for text in frame[name].dropna().unique()}
    assert not [word for word in words if "=" in str(word)], "parameters written into a word"
    if "metric" in frame:
        assert not frame.drop(columns="value").duplicated().any(), "no columns tell these rows apart"


def draw(folder: Path, *, label: bool, crowded: bool, ticks: Sequence[str] = ()) -> Path:
    figure, (axis,) = panels(1, width=3)
    for height in np.linspace(0, 1, 40 if crowded else 2):
        axis.plot([0, 1], [height, 1 - height], label=f"{height:.0f}")
    if label:
        axis.set(xlabel="x", ylabel="y")
    if ticks:
        axis.set_xticks(np.linspace(0, 1, len(ticks)), ticks)
    axis.legend(*(entries[:3] for entries in axis.get_legend_handles_labels()), loc="center")
    return FigureFolder(folder).save("drawn", figure, pd.DataFrame({"x": [1]}))


def test_a_legend_that_would_hide_curves_moves_beside_them(tmp_path: Path) -> None:
    (axes,) = axes_of(draw(tmp_path, label=True, crowded=True))
    assert (without_label(axes), overlapping_ticks(axes), hidden_curves(axes)) == ([], [], 0)


def test_what_cannot_be_read_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reproductions.harness.figures._uncover", lambda figure: None)
    (axes,) = axes_of(draw(tmp_path, label=False, crowded=True))
    assert without_label(axes) == ["x", "y"]
    assert hidden_curves(axes) > 5
    (axes,) = axes_of(draw(tmp_path, label=True, crowded=False, ticks=["a long name of a tick"] * 3))
    assert overlapping_ticks(axes) == [("a long name of a tick",) * 2] * 2


def test_what_is_not_explained_is_found(tmp_path: Path) -> None:
    figure, (axis,) = panels(1, width=3)
    axis.plot([0, 1], [0, 1], color="black", label="the curve")
    axis.axhline(0.5, color="grey", ls=":")
    axis.axvspan(0, 0.2, color="red")
    axis.legend()
    for text in ("one", "other"):
        axis.annotate(text, (0.5, 0.48))
    path = FigureFolder(tmp_path).save("drawn", figure, pd.DataFrame({"x": [1]}))
    assert unexplained(path) == [("#808080", "dashed"), ("span", "#ff0000")]
    assert colliding_texts(axes_of(path)[0]) == ["one", "other", "other / one"]
