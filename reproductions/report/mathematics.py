"""Formulas: LaTeX in quotes as MathML, which browsers show without a script or a font from elsewhere."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, tostring

from latex2mathml.converter import convert_to_element
from markupsafe import Markup, escape

FORMULA = re.compile(r"\$([^$]+)\$")
STRETCH = re.compile(r"\\(?:left|right)\b\s*")
OPENING, CLOSING = "([{⟨", ")]}⟩"
TAKEN = {"href", "src", "style", "class", "id"}  # attributes that a formula may not choose
BREAKS = frozenset("=+−-<>≤≥≈∼")  # operators before which a long formula goes on in the next line


def with_formulas(text: str) -> Markup:
    """Return text as HTML with its formulas set.

    Formulas stand between dollar signs; a text without any that has LaTeX commands is one formula. What is no valid
    LaTeX is shown as it stands.
    """
    if "$" not in text and "\\" in text:
        return _set(text)
    pieces = FORMULA.split(text)  # text and formulas in turn
    return Markup("").join(_set(piece) if i % 2 else escape(piece) for i, piece in enumerate(pieces))


def _set(formula: str) -> Markup:
    try:
        tree = convert_to_element(_balanced(formula).replace("&", ""))
    except Exception:  # whatever a parser of half a formula raises: the formula is then shown as it is written
        return Markup("<code>{}</code>").format(formula)
    for element in tree.iter():
        element.text = html.unescape(element.text or "")  # entities become characters, escaped once on the way out
        for name in [name for name in element.attrib if name in TAKEN or name.startswith("on")]:
            del element.attrib[name]
    parts = [f'<span class="formula">{tostring(part, encoding="unicode")}</span>' for part in _lines(tree)]
    return Markup("<wbr>".join(parts))


def _balanced(formula: str) -> str:
    r"""Drop ``\left`` and ``\right`` where a quote has cut their partner off."""
    lefts, rights = (len(re.findall(rf"\\{side}\b", formula)) for side in ("left", "right"))
    return formula if lefts == rights else STRETCH.sub("", formula)


def _lines(tree: Element) -> Iterable[Element]:
    """Cut a formula where it may go on in the next line, as browsers never break one themselves."""
    rows: list[Element] = []
    depth = 0
    for element in tree[0] if len(tree) == 1 else tree:
        text = element.text or "" if element.tag == "mo" else ""
        if not rows or (depth <= 0 and text in BREAKS and len(rows[-1])):
            rows.append(Element("mrow"))
        if text in BREAKS:
            element.set("form", "infix")  # with its spaces, although it is the first of a line
        depth += (text != "" and text in OPENING) - (text != "" and text in CLOSING)
        rows[-1].append(element)
    for row in rows:
        line = Element("math", tree.attrib)
        SubElement(line, "mrow").extend(row)
        yield line
