"""What cannot be reported is one sentence and exit code 2, and leaves every output as it was."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reproductions.harness.claims import load_claims
from reproductions.report.cli import main
from tests.report.generated import write_results


def edit(name: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(results: Path) -> None:
        path = results / "smoke" / name
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    return damage


def cut(name: str, end: int) -> Callable[[Path], None]:
    def damage(results: Path) -> None:
        path = results / "smoke" / name
        path.write_bytes(path.read_bytes()[:end])

    return damage


def row(**changes: object) -> Callable[[Path], None]:
    return edit("verdicts.json", lambda document: document["claims"][0].update(changes))


DAMAGES = {
    "schema": (
        edit("verdicts.json", lambda d: d.update(schema=7)),
        "verdicts.json is of schema 7, but this version reads 1",
    ),
    "json": (cut("verdicts.json", 500), "verdicts.json is damaged"),
    "list": (
        lambda r: (r / "smoke/verdicts.json").write_text("[]"),
        "verdicts.json is damaged: it has no schema number",
    ),
    "parts": (edit("verdicts.json", lambda d: d.pop("claims")), "its parts are not those of a verdicts file"),
    "fields": (row(colour="red"), "the record 'paper0-claim0' has these fields too many or too few: colour"),
    "verdict": (row(verdict="maybe"), "the verdict of paper0-claim0 is 'maybe', not one of reproduced, trend"),
    "scale": (row(scale="paper"), "the record of paper0-claim0 is of scale 'paper', not 'smoke'"),
    "interval": (row(interval="wide"), "the interval of paper0-claim0 is 'wide', not two numbers"),
    "csv cut": (cut("paper0/figure1.csv", 18), "figure1.csv is damaged: line 3 has 1 of 2 values"),
    "csv empty": (cut("paper0/figure1.csv", 0), "figure1.csv is damaged: it has no header"),
    "csv binary": (lambda r: (r / "smoke/paper0/figure1.csv").write_bytes(b"a,b\n\xff,1"), "figure1.csv is damaged"),
    "png": (cut("paper0/figure1.png", 40), "figure1.png is damaged: it is no whole PNG"),
    "svg": (cut("paper0/figure1.svg", 60), "figure1.svg is damaged: it is no whole SVG"),
    "origin": (cut("paper0/figure1.json", 5), "figure1.json is damaged"),
    "empty": (lambda r: shutil.rmtree(r / "smoke"), "is empty: it has no smoke/verdicts.json or small/verdicts.json"),
    "missing": (shutil.rmtree, "there is no results folder"),
}


def outputs(folder: Path) -> list[str]:
    names = ("--site site", "--markdown pages", "--latex table.tex", "--csv table.csv")
    return [part for name in names for part in (name.split()[0], str(folder / name.split()[1]))]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("damage", "sentence"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_results_folder_is_one_sentence_and_changes_nothing(
    results: Path,
    papers: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], None],
    sentence: str,
) -> None:
    out = tmp_path / "out"
    command = [str(results), "--papers", str(papers), *outputs(out)]
    assert main(command) == 0
    before = contents(out)
    capsys.readouterr()
    damage(results)
    assert main(command) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert printed.err.startswith("tabulate: ")
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert contents(out) == before


def test_a_site_never_replaces_a_folder_that_is_no_site(
    results: Path, papers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(tmp_path)
    assert main([str(results), "--papers", str(papers), "--site", str(results), "--csv", str(tmp_path / "t.csv")]) == 2
    assert "holds something other than a site of tabulate" in capsys.readouterr().err
    assert main([str(results), "--papers", str(papers), "--site", str(papers / "papers.yaml")]) == 2
    assert "it is a file" in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_an_output_that_cannot_be_written_leaves_the_others(
    results: Path, papers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = papers / "papers.yaml" / "table.csv"
    assert main([str(results), "--papers", str(papers), "--latex", str(tmp_path / "t.tex"), "--csv", str(blocked)]) == 2
    assert "cannot write" in capsys.readouterr().err
    assert main([str(results), "--papers", str(papers), "--site", str(papers / "papers.yaml" / "site")]) == 2
    assert "cannot write" in capsys.readouterr().err
    assert not (tmp_path / "t.tex").exists()
    assert not list(tmp_path.glob(".*"))


def test_a_damaged_claims_file_is_one_sentence(results: Path, papers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (papers / "paper0" / "claims.yaml").write_text("claims: [")
    load_claims.cache_clear()
    assert main([str(results), "--papers", str(papers)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--colour"], ["--prefer", "oldest"], ["--site"]])
def test_wrong_arguments_are_one_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_site_is_replaced_by_the_next(results: Path, papers: Path, tmp_path: Path) -> None:
    command = [str(results), "--papers", str(papers), "--site", str(tmp_path / "site")]
    assert main(command) == 0
    (tmp_path / "site" / "left-over.html").write_text("")
    write_results(results, papers, ["small"])
    assert main(command) == 0
    assert not (tmp_path / "site" / "left-over.html").exists()
    assert "scale small" in (tmp_path / "site" / "paper0.html").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["papers", "results", "site"]
