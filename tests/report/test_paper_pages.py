"""The page of each paper is up to date in this commit, has each claim once, and its links lead somewhere."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from reproductions.__main__ import main
from reproductions.harness.verdicts.claims import load_claims
from reproductions.harness.verdicts.record import Verdict
from reproductions.report.merge import Finding
from reproductions.report.pages import BEGIN, END, brief, why
from reproductions.report.papers import load_papers
from reproductions.report.render import cell
from reproductions.report.results import Evidence
from tests.harness.toy_session import ROOT, TOY
from tests.report.generated import verdicts, write_plot, write_verdicts

PAPERS = [paper for paper in load_papers() if paper.claims]
CLAIM = load_claims(TOY / "claims.yaml")["toy-number"]


def pages(results: Path, papers: Path, readme: Path, *more: str) -> int:
    return main(["pages", "--results", str(results), "--papers", str(papers), "--readme", str(readme), *more])


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    path = tmp_path / "README.md"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    return path


def test_the_pages_in_this_commit_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["pages", "--check", "--results", str(ROOT / "results"), "--readme", str(ROOT / "README.md")])
    assert code == 0, capsys.readouterr().out


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.name)
def test_a_page_has_each_claim_once_and_is_short(paper) -> None:  # type: ignore[no-untyped-def]
    text = (ROOT / "reproductions" / paper.name / "README.md").read_text()
    assert len(text.encode()) <= 60_000
    assert sorted(re.findall(r"^\| (?:<a id=\S+></a>)?`([^`]+)`<br>", text, re.MULTILINE)) == sorted(paper.claims)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}


def test_a_page_counts_links_and_shows_plots(results: Path, papers: Path, readme: Path) -> None:
    write_verdicts(results, "small", verdicts(papers, "small"))
    write_plot(results, "small", "paper0", "figure1")
    assert pages(results, papers, readme) == 0
    text = (papers / "paper0" / "README.md").read_text()
    assert text.startswith("# Author & Other, “On paper0”\n")
    assert "- ‡ **reproduced, with a misprint** (1): holds as the paper uses it" in text
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert "../../results/small/paper0/figure1.svg" in links
    assert all((papers / "paper0" / link).exists() for link in links if "docs/" not in link and link[0] != "#")
    assert all(f'<a id="{link[1:]}"></a>' in text for link in links if link[0] == "#")
    assert "(scale smoke" not in text  # a checkout does not keep it
    assert not (papers / "unbuilt" / "README.md").exists()


def test_plots_stand_in_the_order_of_the_paper_and_others_are_folded(results: Path, papers: Path, readme: Path) -> None:
    for name in ("bits", "figure1_drift", "figure1b", "figure1a"):
        write_plot(results, "small", "paper0", name, "reproductions/paper0/test_figure1.py::test_plot")
    assert pages(results, papers, readme) == 0
    text = (papers / "paper0" / "README.md").read_text()
    assert re.findall(r"!\[(\w+) at", text) == ["figure1a", "figure1b", "figure1_drift", "bits"]
    folds = [f"<details>{fold}" for fold in text.split("<details>")[1:]]
    assert [name for fold in folds for name in re.findall(r"!\[(\w+) at", fold)] == ["figure1_drift", "bits"]


def test_the_baseline_is_evidence_beside_the_largest_scale(results: Path, papers: Path, readme: Path) -> None:
    rows = verdicts(papers, "smoke")
    write_verdicts(results / "baseline", "smoke", [replace(rows[0], verdict="trend", found="0.9", interval=None)])
    write_verdicts(results, "paper", verdicts(papers, "paper")[:1])
    assert pages(results, papers, readme) == 0
    row = next(line for line in (papers / "paper0" / "README.md").read_text().splitlines() if "paper0-claim0" in line)
    found = "1.47, baseline 1.5; tested: \\[1.4, 1.55\\] (scale paper, exact, digits, 3 seeds)"
    assert f"| ✓ reproduced | {found}<br>~ trend: 0.9" in row


def test_the_summary_of_the_readme_is_renewed_between_its_markers(results: Path, papers: Path, readme: Path) -> None:
    assert pages(results, papers, readme, "--check") == 1
    assert "old" in readme.read_text()
    assert pages(results, papers, readme) == 0
    text = readme.read_text()
    assert text.startswith(f"before\n{BEGIN}\n| paper | decidable anywhere: reproduced |")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert "| `paper0` [Author & Other, “On paper0”](papers/paper0/README.md) | " in text
    assert "![Every verdict of paper0](papers/paper0/verdicts.svg)" in text[text.index("<details>") :]
    assert pages(results, papers, readme, "--check") == 0


@pytest.mark.parametrize("text", ["no markers", f"{END} {BEGIN}", f"{BEGIN} {BEGIN} {END}"])
def test_a_readme_without_its_markers_stays_as_it_is(
    results: Path, papers: Path, readme: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    readme.write_text(text)
    assert pages(results, papers, readme) == 2
    assert "once and in this order" in capsys.readouterr().err
    assert readme.read_text() == text
    assert not (papers / "paper0" / "README.md").exists()


@pytest.mark.parametrize(
    ("verdict", "reason", "said"),
    [
        ("reproduced", "mean in [0, 1]", ""),
        ("erratum", "as printed: fails", "printed 2"),
        ("misprint", "as used: holds", "an index"),
        ("deviates", "known: too short", "too short"),
        ("inconclusive", "20 seeds would decide", "20 seeds would decide"),
        ("not run", "needs CIFAR-10", ""),  # it is what was found, see `brief`
    ],
)
def test_a_row_says_why_a_claim_is_not_simply_reproduced(verdict: str, reason: str, said: str) -> None:
    claim = CLAIM.model_copy(update={"erratum": "printed 2", "misprint": "an index"})
    row = Verdict("toy-number", "toy", "smoke", "t", verdict, reason=reason, commit="a" * 40)
    assert why(Finding(claim, Evidence(row))) == said
    assert (reason in brief(Evidence(row), claim)) == (verdict == "not run")


def test_a_row_says_that_another_reading_ends_otherwise() -> None:
    row = Verdict("toy-number", "toy", "smoke", "t", "reproduced", by_reading={"a step": "holds", "a pass": "fails"})
    assert why(Finding(CLAIM, Evidence(row))) == "Read as “a step”; as “a pass” it does not hold."


def test_plain_text_stays_plain() -> None:
    assert cell("a_b * c\n  [d] `e` \\f $g |h <b>") == r"a\_b \* c \[d\] \`e\` \\f \$g \|h \<b\>"
