import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

from reproductions.report.cli import main
from reproductions.report.markdown import BEGIN, END
from reproductions.report.tables import latex
from tests.report.generated import verdicts, write_verdicts


def tabulate(results: Path, papers: Path, *more: str) -> int:
    return main([str(results), "--papers", str(papers), *more])


def test_the_terminal_table_has_every_claim(results: Path, papers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tabulate(results, papers) == 0
    printed = capsys.readouterr().out
    assert all(f"paper{p}-claim{c}" in printed for p in range(2) for c in range(8))
    assert "3 reproduced, 3 trend, 2 erratum, 2 deviates, 2 inconclusive, 2 not run, 2 crashed" in printed


def test_the_csv_has_every_field_of_every_record(results: Path, papers: Path, tmp_path: Path) -> None:
    assert tabulate(results, papers, "--csv", str(tmp_path / "t.csv")) == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text())))
    assert len(rows) == 16
    assert rows[0]["quote"].startswith(r"we choose $\tau")
    assert (rows[0]["low"], rows[0]["high"], rows[0]["seeds"]) == ("1.4", "1.55", "3")


def test_latex_is_escaped_and_balanced(results: Path, papers: Path, tmp_path: Path) -> None:
    assert tabulate(results, papers, "--latex", str(tmp_path / "t.tex")) == 0
    text = (tmp_path / "t.tex").read_text()
    rows = [
        line for line in text.splitlines() if line.endswith(r"\\") and "claim" not in line and "multicolumn" not in line
    ]
    assert all(len(re.findall(r"(?<!\\)&", row)) == 5 for row in rows)
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert r"Author \& Other" in text
    assert text.count("\\begin{longtable}") == text.count("\\end{longtable}") == 1
    assert latex(r"50 % of a_b^2 & \x [0, 1]") == r"50 \% of a\_b\textasciicircum{}2 \& \textbackslash{}x {[}0, 1{]}"


def test_markdown_pages_count_show_and_link(results: Path, papers: Path) -> None:
    assert tabulate(results, papers, "--markdown", str(results)) == 0
    page = (results / "paper0.md").read_text()
    assert page.startswith("# Author & Other, “On paper0”")
    assert "2 reproduced, 1 trend, 1 erratum, 1 deviates, 1 inconclusive, 1 not run, 1 crashed." in page
    rows = [line for line in page.splitlines() if line.startswith("| `paper0")]
    assert len(rows) == 8
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {8}
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert links
    assert all((results / link).exists() for link in links)
    assert not (results / "unbuilt.md").exists()


def test_a_number_of_a_run_that_crashed_or_was_not_made_has_no_data(results: Path, papers: Path) -> None:
    tabulate(results, papers, "--markdown", str(results))
    page = (results / "paper0.md").read_text()
    assert [row.split(" | ")[-1] for row in page.splitlines() if "crashed | " in row] == [
        " |"
    ] or "crashed |  |" in page


def test_the_readme_table_is_renewed_between_its_markers(results: Path, papers: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert tabulate(results, papers, "--readme", str(readme), "--markdown", str(results)) == 0
    text = readme.read_text()
    assert text.startswith(f"before\n{BEGIN}\n| paper | name | scale | reproduced |")
    assert text.endswith(f"|\n{END}\nafter\n")
    assert "old" not in text
    assert "| [Author & Other, “On paper0”](results/paper0.md) | `paper0` | smoke | 2 | 1 | 1 | 1 | 1 | 1 | 1 |" in text
    assert "| Nobody, “Later” | `unbuilt` | not built yet |" in text
    tabulate(results, papers, "--readme", str(readme), "--markdown", str(results))
    assert readme.read_text() == text


@pytest.mark.parametrize("text", ["no markers", f"{END} {BEGIN}", f"{BEGIN} {BEGIN} {END}"])
def test_a_readme_without_its_markers_stays_as_it_is(
    results: Path, papers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    assert tabulate(results, papers, "--readme", str(readme)) == 2
    assert "once and in this order" in capsys.readouterr().err
    assert readme.read_text() == text


def test_only_the_scales_asked_for_are_reported(
    results: Path, papers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_verdicts(results, "small", verdicts(papers, "small")[:1])
    assert tabulate(results, papers, "--scale", "small") == 0
    assert "1 reproduced, 15 not run" in capsys.readouterr().out
    assert tabulate(results, papers, "--scale", "paper") == 2
    assert "it has no paper/verdicts.json" in capsys.readouterr().err


def test_several_folders_are_one_table(
    results: Path, papers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = [replace(row, time="2031", commit="b" * 40) for row in verdicts(papers, "small")]
    write_verdicts(tmp_path / "other", "small", other, commit="b" * 40, time="2031")
    assert main([str(results), str(tmp_path / "other"), "--papers", str(papers)]) == 0
    printed = capsys.readouterr().out
    assert "6 reproduced" in printed
