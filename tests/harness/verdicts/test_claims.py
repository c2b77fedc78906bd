"""Claims files: what loads, the sentence for what does not, and data that agrees with the sentences for the reader."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from reproductions.harness.verdicts.claims import Claim, ClaimsError, find_claims, load_claims
from reproductions.harness.verdicts.schema import SCHEMA_FILE, schema
from tests.harness.toy_session import TOY

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "reproductions").glob("*/claims.yaml"))
CLAIM: dict[str, Any] = {
    "id": "toy-loss", "source": "Table 1", "quote": "the loss is 0.02", "kind": "number", "metric": "loss",
    "value": 0.02, "tolerance": "+-0.01", "reason": "a toy", "scale": "paper",
}  # fmt: skip


def load(folder: Path, **fields: Any) -> Claim:
    path = folder / "claims.yaml"
    path.write_text(yaml.dump({"paper": "toy", "claims": [CLAIM | fields]}))
    load_claims.cache_clear()
    return load_claims(path)["toy-loss"]


def test_every_field_is_data(tmp_path: Path) -> None:
    claim = load(
        tmp_path,
        at={"arrival": 0.95, "workers": 16, "network": "ring"},
        band=0.01,
        rounded=0.01,
        resolution=0.01,
        reduced="less than 0.02 above the baseline",
        trend={"at_most_above": [1, "baseline"], "by": 0.02},
        basis="modelled",
        readings={"rounds": "iterations are rounds", "passes": "iterations are passes"},
        misprint="an index",
        deviates={"small": "too short"},
        inconclusive={"smoke": "too few seeds"},
    )
    assert (claim.paper, claim.at["arrival"], claim.at["workers"]) == ("toy", 0.95, 16)
    assert claim.trend is not None
    assert (claim.trend.relation, claim.trend.at_most_above, claim.trend.by) == ("at_most_above", (1, "baseline"), 0.02)
    assert claim.ends == pytest.approx((0.01, 0.03))
    assert claim.rounding == pytest.approx((0.015, 0.025))


@pytest.mark.parametrize(
    ("fields", "ends"),
    [
        ({"band": 0.005}, (0.015, 0.025)), ({"band": [0, 0.02]}, (0, 0.02)), ({"rounded": 0.01}, (0.015, 0.025)),
        ({"value": "2 %", "band": [0, 0.02]}, (0, 0.02)), ({}, None),
        ({"band": [0, math.inf], "resolution": 0.01, "no_effect": -1}, (0, math.inf)),
    ],
)  # fmt: skip
def test_the_band_is_around_the_value_or_has_two_ends(
    tmp_path: Path, fields: dict[str, Any], ends: tuple[float, float] | None
) -> None:
    found = load(tmp_path, **fields).ends
    assert found == (pytest.approx(ends) if ends else None)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"colour": "red"}, "colour is an unknown field"),
        ({"scale": "huge"}, "scale is 'huge', not one of 'any' or 'paper'"),
        (
            {"deviates": {"tiny": "a cause"}},
            "scale 'tiny' of deviates or inconclusive is not one of smoke, small, paper",
        ),
        ({"band": -1}, "band is -1, but input should be greater than 0"),
        ({"band": [2, 1]}, "band is empty: [2, 1]"),
        ({"value": "12 %", "band": 0.1}, "band and rounded need a number as value, but it is '12 %'"),
        ({"band": 0.004, "rounded": 0.01}, "band [0.016, 0.024] is narrower than the rounding [0.015, 0.025]"),
        ({"band": 0.02, "no_effect": 0}, "band [0, 0.04] holds 0, which is no effect: it would decide nothing"),
        ({"no_effect": 0}, "no_effect needs a band"),
        ({"band": 0.02, "resolution": 0.01}, "band [0, 0.04] is wider than what has to be seen, plus or minus 0.01"),
        ({"erratum": "x", "misprint": "y"}, "erratum and misprint exclude each other"),
        ({"trend": {"above": "baseline"}}, "trend needs scale: paper and the sentence for the reader, reduced"),
        ({"trend": {"above": "a", "below": "b"}}, "trend needs exactly one of above, below, at_most_above"),
        ({"trend": {"at_most_above": "a"}}, "trend at_most_above needs exactly one of by and share, but has 0"),
        ({"trend": {"above": "a", "by": 1, "share": 1}}, "trend above needs at most one of by and share, but has 2"),
        ({"trend": {"rises": ["a", "b"], "by": 1}}, "trend rises needs none of by and share, but has 1"),
        ({"trend": {"rises": ["a"]}}, "trend rises needs at least two labels"),
        (
            {"deviates": {"small": "a"}, "inconclusive": {"small": "b"}},
            "scale small is listed under deviates and under",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(tmp_path: Path, fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ClaimsError, match=re.escape(f"claims.yaml: claim toy-loss: {sentence}")) as caught:
        load(tmp_path, **fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("paper: [toy", "while parsing a flow sequence"),
        ("claims: []", "paper is missing"),
        ("- a list", "input should be a valid dictionary"),
        ("paper: toy\nclaims: [{}]", "claim number 1: id is missing"),
        ("paper: toy\nclaims: [text]", "claim number 1: is 'text', but input should be"),
        (yaml.dump({"paper": "toy", "claims": [CLAIM, CLAIM]}), "claim toy-loss occurs twice"),
    ],
)
def test_no_claims_file_is_said_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text(text)
    with pytest.raises(ClaimsError, match=re.escape(f"{path}: {sentence}")) as caught:
        load_claims(path)
    assert "\n" not in str(caught.value)


def test_a_claims_file_is_found_upward(tmp_path: Path) -> None:
    (tmp_path / "claims.yaml").write_text("")
    assert find_claims(tmp_path / "colocation" / "test_a.py") == tmp_path / "claims.yaml"
    assert find_claims(tmp_path / "test_a.py") == tmp_path / "claims.yaml"
    (tmp_path / "claims.yaml").unlink()
    with pytest.raises(ClaimsError, match=re.escape(f"there is no claims.yaml in {tmp_path} or")):
        find_claims(tmp_path / "test_a.py")


# ------------------------------------------------------------------------------------------- the files of the papers


def test_the_schema_for_editors_is_that_of_the_fields() -> None:
    command = "reproductions schema"
    assert SCHEMA_FILE.read_text() == schema(), f"{SCHEMA_FILE} is old: write it again with {command}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_every_claims_file_names_the_schema(path: Path) -> None:
    assert path.read_text().startswith("# yaml-language-server: $schema=../claims.schema.json\n")
    assert load_claims(path).keys()


def numbers(sentence: str) -> set[float]:
    """Return the numbers of a sentence; one in per cent also as a share."""
    found = re.findall(r"(\d[\d,]*(?:\.\d+)?(?:e-?\d+)?)( ?%)?", sentence)
    values = {(float(text.replace(",", "")), bool(percent)) for text, percent in found}
    return {round(value, 9) for value, _ in values} | {round(value / 100, 9) for value, percent in values if percent}


def unsaid(claim: Claim) -> list[str]:
    """Return the numbers of the data of a claim that its sentences for the reader do not name."""
    band = claim.band if isinstance(claim.band, tuple) else (claim.band,)
    trend = (claim.trend.by, claim.trend.share) if claim.trend else ()
    said = {"tolerance": numbers(claim.tolerance) | numbers(str(claim.value)), "reduced": numbers(claim.reduced)}
    data = {"tolerance": (*band, claim.rounded), "reduced": trend}
    return [
        f"{number:g} is not in {field}"
        for field, values in data.items()
        for number in values
        if number is not None and number != 0 and math.isfinite(number) and round(abs(number), 9) not in said[field]
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_sentences_and_data_name_the_same_numbers(path: Path) -> None:
    assert not {claim.id: faults for claim in load_claims(path).values() if (faults := unsaid(claim))}


def test_a_sentence_that_names_another_number_is_found(tmp_path: Path) -> None:
    told = {"reduced": "at most 10 % above the baseline", "trend": {"at_most_above": "baseline", "share": 0.1}}
    assert unsaid(load(tmp_path, band=0.01, **told)) == []
    assert unsaid(load(tmp_path, band=0.015, **told)) == ["0.015 is not in tolerance"]
    wrong = told | {"trend": {"at_most_above": "baseline", "share": 0.2}}
    assert unsaid(load(tmp_path, band=0.01, **wrong)) == ["0.2 is not in reduced"]


def test_several_printed_numbers_are_written_as_a_reader_would() -> None:
    claim = load_claims(TOY / "claims.yaml")["toy-number"]
    several = claim.model_copy(update={"value": {"N": -0.5, "M": 1}, "unit": "%"})
    assert several.reported == "N -0.5, M 1 %"
