"""The summary counts each claim once, and is the same wherever it stands."""

import re
from pathlib import Path

import pytest

from reproductions.__main__ import main
from reproductions.harness.verdicts.claims import load_claims
from reproductions.harness.verdicts.record import VERDICTS, Verdict
from reproductions.report.merge import Finding, Results, merge
from reproductions.report.pages import BEGIN, END
from reproductions.report.papers import Paper, load_papers
from reproductions.report.results import Evidence, read_folder
from reproductions.report.summary import ANYWHERE, OWN, lines, sentence, summarize
from tests.harness.toy_session import TOY
from tests.report.generated import verdicts, write_papers, write_results, write_verdicts

WIDTHS = [max(5, len(name)) for name in (*ANYWHERE, *OWN)]
CLAIM = load_claims(TOY / "claims.yaml")["toy-number"]


def finding(verdict: str, own: bool, at: str = "smoke", **changes: object) -> Finding:
    claim = CLAIM.model_copy(update={"scale": "paper" if own else "any", **changes})
    return Finding(claim, Evidence(Verdict(claim.id, "toy", at, "t", verdict)))


def numbers(*findings: Finding) -> tuple[int, ...]:
    papers = (Paper("toy", "Toys", {"toy-number": CLAIM}), Paper("later", "Later"))
    (row,) = summarize(Results(papers, ("smoke",), findings, ()))
    return row.numbers


@pytest.mark.parametrize("verdict", [name for name in VERDICTS if name != "illustration"])
def test_a_claim_that_any_computer_decides_is_counted_by_its_verdict(verdict: str) -> None:
    position = {"reproduced": 0, "misprint": 1, "erratum": 2}.get(verdict, 3)
    assert numbers(finding(verdict, own=False)) == tuple(int(i == position) for i in range(8))


@pytest.mark.parametrize(
    ("verdict", "at", "position"),
    [
        *((verdict, "paper", 4) for verdict in ("reproduced", "misprint", "erratum", "deviates", "consistent")),
        *((verdict, "small", 5) for verdict in ("trend", "trend-excluded", "consistent")),
        *((verdict, "smoke", 6) for verdict in ("deviates", "inconclusive", "crashed", "erratum")),
        ("inconclusive", "paper", 6),
        ("not run", "smoke", 7),
        ("not run", "paper", 7),
    ],
)
def test_a_claim_of_the_papers_own_setting_is_decided_there_or_has_evidence_elsewhere(
    verdict: str, at: str, position: int
) -> None:
    assert numbers(finding(verdict, own=True, at=at)) == tuple(int(i == position) for i in range(8))


def test_an_illustration_is_not_counted() -> None:
    drawn = [finding("illustration", own=True), finding("not run", own=False, illustration=True)]
    assert numbers(*drawn, finding("reproduced", own=False)) == (1, 0, 0, 0, 0, 0, 0, 0)


def test_the_sentence_adds_up() -> None:
    papers = tuple(Paper(name, name, {"toy-number": CLAIM}) for name in ("toy", "other"))
    findings = [
        finding(verdict, own, paper=paper.name)
        for paper in papers
        for verdict, own in (("reproduced", False), ("trend", True))
    ]
    said = sentence(summarize(Results(papers, ("smoke",), tuple(findings), ())))
    assert "Of 2 claims that any computer can decide, 2 are reproduced" in said
    assert "Of 2 about the paper's own setting" in said
    ours = Results(papers, ("smoke",), tuple(each for each in findings if each.verdict == "reproduced"), ())
    assert "own setting" not in sentence(summarize(ours)), "there are no such claims"
    assert "Of 2 about the paper's own setting, 0 were decided in it" in said
    assert "of the others, 2 show a trend elsewhere or are consistent by a model, 0 are something else" in said


# ------------------------------------------------------------------------------------------------- wherever it stands


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    """Return five papers of which half of the claims can be decided anywhere."""
    root = write_papers(tmp_path / "papers", papers=5, claims=24)
    for i, path in enumerate(sorted(root.glob("*/claims.yaml"))):
        path.write_text(path.read_text().replace("scale: paper", "scale: any", 8 + i))
    load_claims.cache_clear()
    return root


def rows_of(text: str) -> dict[str, list[int]]:
    """Return the numbers of each row that begins with the name of a paper."""
    found = re.findall(r"^\W*(paper\d)\b.*?((?:[ |]+\d+){8})\W*$", text, re.MULTILINE)
    return {name: [int(number) for number in re.findall(r"\d+", cells)] for name, cells in found}


def test_readme_site_and_table_agree(papers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = write_results(tmp_path / "results", papers, ("small",))
    write_verdicts(results, "paper", verdicts(papers, "paper")[::7])
    (tmp_path / "README.md").write_text(f"{BEGIN}\n{END}\n")
    shared = ["--papers", str(papers)]
    assert main(["table", str(results), *shared]) == 0
    table = rows_of(capsys.readouterr().out)
    assert main(["pages", "--results", str(results), "--readme", str(tmp_path / "README.md"), *shared]) == 0
    assert main(["site", str(results), "--to", str(tmp_path / "site"), *shared]) == 0
    index = (tmp_path / "site" / "index.html").read_text()
    on_site = re.findall(r'<tr data-summary="(\w+)">.*?</th>((?:<td>\d+</td>)+)', index)
    assert len(table) == 5
    sums = [sum(column) for column in zip(*table.values(), strict=True)]
    assert f"in all  {'  '.join(str(n).rjust(w) for n, w in zip(sums, WIDTHS, strict=True))}" in lines_of(
        papers, results
    )
    assert f"| **in all** | {' | '.join(f'**{n}**' for n in sums)} |" in (tmp_path / "README.md").read_text()
    assert re.findall(r'class="total">.*?</th>((?:<td>\d+</td>)+)', index) == ["".join(f"<td>{n}</td>" for n in sums)]
    assert all(sum(row) > 20 for row in table.values())
    assert len({tuple(row) for row in table.values()}) == 5
    assert rows_of((tmp_path / "README.md").read_text()) == table
    assert {name: [int(n) for n in re.findall(r"\d+", cells)] for name, cells in on_site} == table
    assert all(len(line) <= 80 for line in lines_of(papers, results))


def lines_of(papers: Path, results: Path) -> list[str]:
    return lines(summarize(merge([read_folder(results)], load_papers(papers))))


def test_without_rows_there_is_no_table() -> None:
    assert lines([]) == []
