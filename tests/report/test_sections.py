from dataclasses import replace
from pathlib import Path

import pytest

from reproductions.harness.verdicts.claims import load_claims
from reproductions.report.merge import Finding
from reproductions.report.results import Evidence, Plot
from reproductions.report.sections import place, section_of
from tests.report.generated import verdicts


@pytest.mark.parametrize(
    ("source", "title", "group"),
    [
        ("Figure 4(a,b); Sec 6", "Figure 4", "Figures and tables"),
        ("Fig. 12, caption", "Figure 12", "Figures and tables"),
        ("Map of digits", "Map of digits", "Figures and tables"),
        ("Table 2", "Table 2", "Figures and tables"),
        ("Table I", "Table I", "Figures and tables"),
        ("Table II, Sec V-C", "Table II", "Figures and tables"),
        ("Sec IV-A Impact of the quantization level", "Section IV-A", "Text"),
        ("Eq (5), Lemma 7", "Lemma 7", "Theorems and lemmas"),
        ("Thm 1", "Theorem 1", "Theorems and lemmas"),
        ("Corollary 2 and Appendix C", "Corollary 2", "Theorems and lemmas"),
        ("Eq (3), Algorithm 1 line 8", "Algorithm 1", "Algorithms and equations"),
        ("Sec 4.2, Eq (4)", "Equation 4", "Algorithms and equations"),
        ("Sec 6 (Comparison with Gradient Averaging)", "Section 6", "Text"),
        ("Appendix B.1", "Appendix B.1", "Text"),
        ("Abstract; Sec 1", "Section 1", "Text"),
        ("Abstract", "Abstract", "Text"),
        ("caption of the title page, left", "caption of the title page", "Text"),
    ],
)
def test_the_most_telling_place_names_the_section(source: str, title: str, group: str) -> None:
    section = section_of(source)
    assert (section.title, section.group) == (title, group)


def test_sections_sort_by_kind_and_number() -> None:
    sources = ["Sec 10", "Sec 2.1", "Figure 10", "Abstract", "Figure 9", "Lemma 1", "Appendix B", "Sec 2", "Table 1"]
    titles = [section.title for section in sorted(map(section_of, sources))]
    wanted = "Figure 9, Figure 10, Table 1, Lemma 1, Section 2, Section 2.1, Section 10, Appendix B, Abstract"
    assert titles == wanted.split(", ")


@pytest.mark.parametrize(
    ("name", "test", "title"),
    [
        ("rate", "p/test_rates.py::test_rate", "Theorem 1"),  # the claim that the same test decides
        ("figure1b", "p/test_rates.py::test_plot", "Figure 1"),  # the name
        ("figure1", "", "Figure 1"),
        ("curves", "p/test_rates.py::test_plot", "Theorem 1"),  # a claim of the same file
        ("figure77", "p/test_other.py::test_plot", None),
        ("sensitivity", "", None),
    ],
)
def test_a_plot_finds_its_section(papers: Path, name: str, test: str, title: str | None) -> None:
    rows = verdicts(papers, "smoke")[:4]  # Figure 1, Figure 2, Table 1, Theorem 1
    rows = [replace(row, test="p/test_figures.py::test_a[x]") for row in rows[:3]] + [
        replace(rows[3], test="p/test_rates.py::test_rate[x]")
    ]
    claims = load_claims(papers / "paper0" / "claims.yaml")
    section = place(Plot("paper0", "smoke", name, test, {}), [Finding(claims[row.id], Evidence(row)) for row in rows])
    assert (section.title if section else None) == title


def test_table_2_is_where_the_paper_prints_table_ii(papers: Path) -> None:
    claims = load_claims(papers / "paper0" / "claims.yaml").values()
    source = ["Table I, row 2", "Table II", "Section V-C"]
    findings = [
        Finding(claim.model_copy(update={"source": where}), Evidence(row))
        for claim, where, row in zip(claims, source, verdicts(papers, "smoke"), strict=False)
    ]
    found = [place(Plot("paper0", "smoke", name, "", {}), findings) for name in ("table1", "table2", "table3")]
    assert [section.title if section else None for section in found] == ["Table I", "Table II", None]
