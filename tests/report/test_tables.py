import csv
import io
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from reproductions.__main__ import main
from reproductions.harness.verdicts.record import VERDICTS
from tests.harness.toy_session import ROOT
from tests.report.generated import verdicts, write_verdicts


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # xdist makes its workers narrow


def table(results: Path, papers: Path, *more: str) -> int:
    return main(["table", str(results), "--papers", str(papers), *more])


def test_the_terminal_table_has_every_claim(results: Path, papers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert table(results, papers) == 0
    printed = capsys.readouterr().out
    assert all(f"paper{p}-claim{c}" in printed for p in range(2) for c in range(11))
    assert ", ".join(f"2 {verdict}" for verdict in VERDICTS) in printed


def test_the_csv_has_every_field_of_every_verdict(results: Path, papers: Path, tmp_path: Path) -> None:
    write_verdicts(results, "small", verdicts(papers, "small")[:1])
    assert table(results, papers, "--csv", str(tmp_path / "t.csv")) == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text())))
    assert len(rows) == 23
    assert [(row["scale"], row["headline"]) for row in rows[:2]] == [("small", "True"), ("smoke", "False")]
    assert rows[0]["quote"].startswith(r"we choose $\tau")
    assert (rows[0]["estimate_low"], rows[0]["estimate_high"], rows[0]["seeds"]) == ("1.4", "1.55", "3")


def test_latex_is_escaped_and_has_a_row_a_claim(results: Path, papers: Path, tmp_path: Path) -> None:
    write_verdicts(results, "small", [replace(verdicts(papers, "small")[0], found="50 % of a_b & more")])
    assert table(results, papers, "--latex", str(tmp_path / "t.tex")) == 0
    text = (tmp_path / "t.tex").read_text()
    rows = [line for line in text.splitlines() if line.startswith("paper")]
    assert len(rows) == 22
    assert all(len(re.findall(r"(?<!\\)&", row)) == 5 for row in rows)
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert text.count("\\begin{longtable}") == text.count("\\end{longtable}") == 1
    assert r"reproduced, with a misprint \\" in text
    assert r"50 \% of a\_b \& more; tested: [1.4, 1.55]" in text


def test_no_cell_is_computed_or_obeyed(
    results: Path, papers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = replace(verdicts(papers, "small")[0], found="=1+1", reason="@SUM(1)", hardware="-0.5", interval=None)
    write_verdicts(results, "small", [row, replace(verdicts(papers, "small")[1], found="a\x1b[31mb\x00c\u202ed")])
    assert table(results, papers, "--csv", str(tmp_path / "t.csv"), "--latex", str(tmp_path / "t.tex")) == 0
    first = next(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text())))
    assert (first["found"], first["reason"], first["hardware"]) == ("'=1+1", "'@SUM(1)", "-0.5")
    for text in (capsys.readouterr().out, (tmp_path / "t.tex").read_text()):
        assert "31mbcd" in text
        assert not set(text) & set("\x00\x1b\u202e")


def test_only_the_scales_asked_for_are_reported(
    results: Path, papers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_verdicts(results, "small", verdicts(papers, "small")[:1])
    assert table(results, papers, "--scale", "small", "--csv", str(tmp_path / "t.csv")) == 0
    said = capsys.readouterr()
    assert "\n1 reproduced\n" in said.out
    assert "not run  " not in said.out
    assert said.err == "left out, as there is nothing of them at scale small: 21 claims\n"
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 2
    assert table(results, papers, "--scale", "paper") == 2
    assert "it has no paper/verdicts.json" in capsys.readouterr().err


def test_what_was_not_run_has_no_data(
    results: Path, papers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (results / "smoke" / "verdicts.json").unlink()
    write_verdicts(results, "smoke", [replace(verdicts(papers, "smoke")[0], verdict="not run", workload="exact")])
    assert table(results, papers, "--csv", str(tmp_path / "t.csv")) == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text())))
    assert {row[name] for row in rows for name in ("basis", "workload", "hardware")} == {""}
    lines = [line for line in capsys.readouterr().out.splitlines() if "not run" in line and "claim" in line]
    assert len(lines) > 20
    assert not any("exact" in line for line in lines)


def test_several_folders_are_one_table(
    results: Path, papers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = [replace(row, time="2031", commit="b" * 40) for row in verdicts(papers, "paper")]
    write_verdicts(tmp_path / "other", "paper", other, commit="b" * 40, time="2031")
    assert main(["table", str(results), str(tmp_path / "other"), "--papers", str(papers)]) == 0
    assert re.search(r"paper0-claim0 .* paper ", capsys.readouterr().out)


def test_a_claim_that_no_claims_file_has_is_left_out_and_named(
    results: Path, papers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_verdicts(results, "small", [replace(verdicts(papers, "small")[0], id="gone")])
    assert table(results, papers) == 0
    printed = capsys.readouterr()
    said = "left out, as no claims file has them: gone; --papers names the folder of one\n"
    assert printed.err == said
    assert "gone" not in printed.out


def test_a_reader_that_has_seen_enough_is_no_error(results: Path, papers: Path) -> None:
    command = f"{sys.executable} -m reproductions table {results} --papers {papers} | head -n 1"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.startswith("claim")
    assert done.stderr == ""
