"""What the source of a claim names is read in one way by keywords, families and sections, whatever it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reproductions.harness.keywords import keywords
from reproductions.harness.verdicts.claims import Claim, load_claims
from reproductions.harness.verdicts.families import family
from reproductions.report.sections import section_of
from tests.harness.toy_session import TOY

BASE = load_claims(TOY / "claims.yaml")["toy-order"]
WORDS = (
    "Section", "Sec.", "§", "Table", "Tab.", "Figures", "Fig.", "Lemmas", "Eq", "Thm.", "Appendix", "A.2", "B",
    "XIII", "IV-A", "13", "0", "3-5.", "5-3", "2.", "1.2", "9" * 5000, "(2.)", "(...)", "(a)", "(a,b)", "(B.12)-(B.1)",
    "(7)-(3)", "-", ".", ",", " and ", "/", "²", "٣", "é",
)  # fmt: skip


def claim(source: str) -> Claim:
    return BASE.model_copy(update={"source": source, "resolution": 0.1})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Section A.2", "sectiona. sectiona.2."),
        ("Section XIII", "section13. sectionxiii."),
        ("Section XXXIX", "sectionxxxix."),
        ("Table 13", "table13. tablexiii."),
        ("Table 99", "table99."),
        ("Lemmas 3-5.", "lemma3. lemma4. lemma5."),
        ("Lemmas 5-3", "lemma5."),
        ("Lemmas 3-5.3-5", "lemma3."),
        ("Figs. 1-2, 4-5 and 7", "figure1. figure2. figure4. figure5. figure7."),
        ("Sec 4.1-4.2", "section4. section4.1. section4.2. sectioniv. sectioniv.1. sectioniv.2."),
        ("Theorem 1 (...)", "theorem1."),
        ("Sec 3, (2.)", "section3. sectioniii."),
        ("Eq. 5", "equation5."),
        ("Fig. 4", "figure4."),
        ("Fig.~4(c), figure 5 (left)", "figure4. figure4c. figure5."),
        ("Figs. 2 and 3(a, b)", "figure2. figure3. figure3a. figure3b."),
        ("Tab. II", "table2. tableii."),
        ("§4", "section4. sectioniv."),
        ("Thm. 1", "theorem1."),
    ],
)
def test_keywords_of_a_source(source: str, expected: str) -> None:
    assert keywords(claim(source)) == set(expected.split())


@given(st.lists(st.sampled_from(WORDS), max_size=6), st.sampled_from(("", " ")))
def test_no_source_is_an_error(words: list[str], between: str) -> None:
    source = between.join(words)
    assert len(keywords(claim(source))) < 100_000
    assert family(claim(source))
    assert section_of(source).title


@pytest.mark.parametrize("source", ["Figure 4", "Fig 4(a)", "Fig. 4(a)", "fig.~4", "Sec 6, Figs. 4, 5", "Figure 4a"])
def test_figure_4_is_figure_4_to_all_readers(source: str) -> None:
    assert section_of(source).title == "Figure 4"
    assert family(claim(source)) == family(claim("Figure 4"))
    assert "figure4." in keywords(claim(source))


@pytest.mark.parametrize("source", ["Table II", "Table 2", "Tab. 2", "Tables II"])
def test_table_2_is_table_ii(source: str) -> None:
    assert family(claim(source)) == family(claim("Table 2"))
    assert {"table2.", "tableii."} <= keywords(claim(source))
