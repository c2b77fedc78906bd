"""Places: the figures, tables, theorems and sections of a paper that the source of a claim names."""

from __future__ import annotations

import re

_DIGITS = r"\d{1,4}(?!\d)"
NUMBER = rf"{_DIGITS}(?:\.{_DIGITS})*"
_RANGE = rf"{NUMBER}(?:-{NUMBER})?"
NUMBERS = rf"{_RANGE}(?:(?:, | and |/){_RANGE})*|(?:[IVX]+|[A-Z])(?:[.-](?:[A-Z](?:{_DIGITS})?|{_DIGITS}))*\b"
WORDS = {  # how papers and claims files write each kind; what comes first names the section if a source has several
    "Figure": r"fig(?:ure)?s?",
    "Table": r"tab(?:le)?s?",
    "Theorem": r"(?:theorem|thm)s?",
    "Proposition": r"prop(?:osition)?s?",
    "Lemma": r"lem(?:ma)?s?",
    "Corollary": r"cor(?:ollary|ollaries)?",
    "Algorithm": r"alg(?:orithm)?s?",
    "Equation": r"eq(?:uation)?s?\.?[\s~]*\(?",
    "Section": r"sec(?:tion)?s?|§§?",
    "Appendix": r"app(?:endix|endices)?",
    "Remark": r"remarks?",
    "Definition": r"def(?:inition)?s?",
    "Assumption": r"assumptions?",
    "Fact": r"facts?",
}
BEFORE = {kind: rf"(?<!\w)(?i:{words})\.?[\s~]*" for kind, words in WORDS.items()}  # what stands before its numbers
_ROMAN = (
    "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x",
    "xi", "xii", "xiii", "xiv", "xv", "xvi", "xvii", "xviii", "xix", "xx",
)  # fmt: skip
IN_ROMAN = ("Table", "Section")  # what papers count in Roman numerals
OTHER = {roman: str(number) for number, roman in enumerate(_ROMAN, 1)}  # the other numeral of a number
OTHER |= {number: roman for roman, number in OTHER.items()}


def places(source: str) -> list[tuple[str, list[str]]]:
    """Return the kinds and numbers that a source names, in the order of `WORDS`, then of the source.

    Examples
    --------
    >>> places("Sec IV-A; Fig. 4(a), Lemmas 2-4")
    [('Figure', ['4']), ('Lemma', ['2', '3', '4']), ('Section', ['IV-A'])]
    """
    found = ((kind, re.findall(rf"{before}({NUMBERS})", source)) for kind, before in BEFORE.items())
    return [(kind, listed(numbers)) for kind, all_numbers in found for numbers in all_numbers]


def listed(numbers: str) -> list[str]:
    """Return the numbers of a list such as ``"2/3"``, ``"8, 9"`` or ``"1-4"``; ``"IV-A"`` is one number."""
    ranges = (part.partition("-") for part in re.split(r", | and |/", numbers))
    parts = ([f"{first}{dash}{last}"] if first[0].isalpha() else between(first, last) for first, dash, last in ranges)
    return [number for part in parts for number in part]


def between(first: str, last: str) -> list[str]:
    """Return the numbers from `first` to `last`, which differ in what follows their last dot; only `first` if none."""
    prefix, dot, start = first.rpartition(".")
    end = last.rpartition(".")[2] or start
    return [f"{prefix}{dot}{number}" for number in range(int(start), int(end) + 1)] or [first]


def arabic(kind: str, number: str) -> str:
    """Return the number of a table or section that is printed as a Roman numeral, and any other as it is."""
    return OTHER.get(number.lower(), number) if kind in IN_ROMAN and number.isalpha() else number
