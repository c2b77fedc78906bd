"""Words and signs that all forms of the report share."""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """How a verdict looks without colour, what it is called in a sentence, and what it means."""

    symbol: str
    name: str
    text: str


MEANINGS = {
    "reproduced": Meaning("✓", "reproduced", "holds within its tolerance, at the scale the claim is about"),
    "misprint": Meaning(
        "‡",
        "reproduced, with a misprint",
        "holds as the paper uses it; a symbol, factor or index in its print is wrong",
    ),
    "trend": Meaning("~", "trend", "the order or direction holds at a reduced scale; the number was not decided"),
    "trend-excluded": Meaning(
        "≁", "trend, number excluded", "the direction holds at a reduced scale, but not the number that is printed"
    ),
    "consistent": Meaning(
        "≈", "consistent", "a model with parameters that the paper leaves open can give the printed number"
    ),
    "erratum": Meaning(
        "†", "erratum", "false as printed; the test shows a counter-example and decides a corrected statement"
    ),
    "deviates": Meaning("✗", "deviates", "decided, and it does not hold"),
    "inconclusive": Meaning("?", "inconclusive", "the evidence cannot tell; the reason says how much would"),
    "not run": Meaning("·", "not run", "needs data, scale or hardware that was not there, or was not asked for"),
    "illustration": Meaning("i", "illustration", "a drawing, a definition or a setting: shown, not counted"),
    "crashed": Meaning("!", "crashed", "the run failed"),
}
EXPLAINED = ("trend-excluded", "consistent", "deviates", "inconclusive", "not run", "crashed")  # their reason is shown
SCALES = {
    "smoke": "embedded data and tiny models: trends, and what is exact at any scale",
    "small": "the paper's networks and data for a tenth of the run: trends, and what is exact at any scale",
    "paper": "the paper's own setting",
}
