"""What cannot be reported is one sentence and exit code 2, and leaves every output as it was."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reproductions.__main__ import main
from reproductions.harness.figures import FigureFolder, panels
from reproductions.harness.verdicts.claims import load_claims
from reproductions.report.errors import ReportError
from reproductions.report.files import check_whole
from reproductions.report.pages import BEGIN, END
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


def relink(path: Path) -> None:
    elsewhere = path.parents[3] / "private.csv"
    elsewhere.write_text("name,password\nme,secret\n")
    path.unlink()
    path.symlink_to(elsewhere)


DAMAGES = {
    "schema": (
        edit("verdicts.json", lambda d: d.update(schema=7)),
        "verdicts.json has schema 7, but this version writes schema 2",
    ),
    "json": (cut("verdicts.json", 500), "verdicts.json is no file of verdicts"),
    "list": (
        lambda r: (r / "smoke/verdicts.json").write_text("[]"),
        "verdicts.json is no file of verdicts (it holds a list)",
    ),
    "parts": (edit("verdicts.json", lambda d: d.pop("claims")), "it has no list of claims or no sessions"),
    "session": (row(session="never"), "the record 'paper0-claim0': no session made it"),
    "fields": (row(colour="red"), "the record 'paper0-claim0': colour is an unknown field"),
    "verdict": (row(verdict="maybe"), "verdict is 'maybe', but string should match pattern '^(reproduced|misprint|"),
    "scale": (row(scale="paper"), "the record of paper0-claim0 is of scale 'paper', not 'smoke'"),
    "interval": (row(interval="wide"), "interval is 'wide', but input should be a valid array"),
    "path": (row(paper="../../x"), "paper is '../../x', but string should match pattern"),
    "absolute": (row(id="/etc/x"), "id is '/etc/x', but string should match pattern"),
    "csv cut": (cut("paper0/figure1.csv", 18), "figure1.csv is damaged: line 3 has 1 of 2 values"),
    "csv empty": (cut("paper0/figure1.csv", 0), "figure1.csv is damaged: it has no header"),
    "csv binary": (lambda r: (r / "smoke/paper0/figure1.csv").write_bytes(b"a,b\n\xff,1"), "figure1.csv is damaged"),
    "svg": (cut("paper0/figure1.svg", 60), "figure1.svg is damaged: it is no whole SVG"),
    "formula": (
        lambda r: (r / "smoke/paper0/figure1.csv").write_text('a,b\n1,"=HYPERLINK(""x"")"\n'),
        "figure1.csv is damaged: line 2 holds '=HYPERLINK(\"x\")', which a spreadsheet computes",
    ),
    "link": (
        lambda r: relink(r / "smoke/paper0/figure1.csv"),
        "figure1.csv is a link out of the results folder: put the file in its place or remove it",
    ),
    "loop": (
        lambda r: loop(r / "smoke/paper0/figure1.svg"),
        "figure1.svg is a link that leads nowhere: put the file in its place or remove it",
    ),
    "origin": (cut("paper0/figure1.json", 5), "figure1.json is damaged"),
    "empty": (lambda r: shutil.rmtree(r / "smoke"), "is empty: it has no smoke/verdicts.json or small/verdicts.json"),
    "missing": (shutil.rmtree, "there is no results folder"),
}


def loop(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


def commands(results: Path, papers: Path, out: Path) -> list[list[str]]:
    """Return all commands that write something from a results folder."""
    out.mkdir(exist_ok=True)
    (out / "README.md").touch()
    tables = ["table", str(results), "--latex", str(out / "table.tex"), "--csv", str(out / "table.csv")]
    pages = ["pages", "--results", str(results), "--readme", str(out / "README.md")]
    each = [tables, ["site", str(results), "--to", str(out / "site")], pages]
    return [[*command, "--papers", str(papers)] for command in each]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("damage", "sentence"), DAMAGES.values(), ids=DAMAGES)
@pytest.mark.fault("input and places of reports")
def test_a_damaged_results_folder_is_one_sentence_and_changes_nothing(
    results: Path,
    papers: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], None],
    sentence: str,
) -> None:
    out = tmp_path / "out"
    each = commands(results, papers, out)
    (out / "README.md").write_text(f"{BEGIN}\n{END}\n")
    for command in each:
        assert main(command) == 0
    before = contents(tmp_path)
    capsys.readouterr()
    damage(results)
    for command in each:
        assert main(command) == 2
        printed = capsys.readouterr()
        assert sentence in printed.err
        assert printed.err.startswith("reproductions: ")
        assert printed.err.count("\n") == 1
        assert printed.out == ""
    after = contents(tmp_path)
    assert {path: after[path] for path in before if results not in path.parents} == {
        path: text for path, text in before.items() if results not in path.parents
    }


XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
HOSTILE = {
    "<script>alert(1)</script>": "<script>, which is no part of a drawing",
    '<foreignObject><iframe src="javascript:alert(1)"/></foreignObject>': "<foreignObject>, which",
    '<set attributeName="href" to="javascript:alert(1)"/>': "<set>, which",
    '<a href="javascript:alert(1)"><path/></a>': "<a>, which",
    '<g onload="alert(1)"/>': "it holds onload='alert(1)'",
    f'<use {XLINK} xlink:href="https://example.org/x.svg#a"/>': "it holds xlink:href='https://example.org/x.svg#a'",
    '<image href="data:image/svg+xml;base64,PHN2Zz4="/>': "it holds href='data:image/svg+xml",
    '<rect style="fill: url(https://example.org/x)"/>': "it holds style='fill: url(",
    "<style>@im<!-- -->port 'https://example.org/x.css';</style>": "its style holds '@import'",
    "<style>* { fill: u\\72l(x) }</style>": "its style holds '\\\\'",
    '<?xml-stylesheet type="text/xsl" href="data:,x"?>': "a processing instruction or an entity",
    "<g>": "it is no whole SVG (mismatched tag",
}


@pytest.mark.parametrize(("content", "sentence"), HOSTILE.items())
@pytest.mark.fault("input and places of reports")
def test_a_drawing_that_runs_or_loads_something_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "figure1.svg"
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg">{content}</svg>')
    with pytest.raises(ReportError, match=re.escape(sentence)):
        check_whole(path)


@pytest.mark.fault("input and places of reports")
def test_an_entity_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "figure1.svg"
    path.write_text('<!DOCTYPE svg [<!ENTITY a "<script/>">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>')
    with pytest.raises(ReportError, match="a processing instruction or an entity"):
        check_whole(path)


def test_what_matplotlib_draws_is_a_drawing(tmp_path: Path) -> None:
    figure, (axis,) = panels(1)
    axis.imshow([[0, 1], [1, 0]])
    axis.bar([0, 1], [1, 2], hatch="/")
    axis.set_title("$\\alpha$ & <b>")
    path = FigureFolder(tmp_path).save("figure1", figure, pd.DataFrame({"a": [-1.0]}))
    check_whole(path)
    check_whole(path.with_suffix(".csv"))


@pytest.mark.fault("input and places of reports")
def test_a_site_never_replaces_a_folder_that_is_no_site(
    results: Path, papers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(tmp_path)
    assert main(["site", str(results), "--papers", str(papers), "--to", str(results)]) == 2
    assert "holds something other than a site of this suite" in capsys.readouterr().err
    assert main(["site", str(results), "--papers", str(papers), "--to", str(papers / "papers.yaml")]) == 2
    assert "it is a file" in capsys.readouterr().err
    assert contents(tmp_path) == before


@pytest.mark.fault("input and places of reports")
def test_an_output_inside_of_a_results_folder_is_refused(
    results: Path, papers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(tmp_path)
    inside = results / "smoke" / "verdicts.json"
    for command in (
        ["table", "--csv", str(inside)],
        ["table", "--latex", str(inside)],
        ["site", "--to", f"{results}/site"],
    ):
        assert main([command[0], str(results), "--papers", str(papers), *command[1:]]) == 2
        assert "which stays as it is: write elsewhere" in capsys.readouterr().err
    assert contents(tmp_path) == before


@pytest.mark.fault("input and places of reports")
def test_an_output_that_cannot_be_written_leaves_the_others(
    results: Path, papers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = papers / "papers.yaml" / "table.csv"
    files = ["--latex", str(tmp_path / "t.tex"), "--csv", str(blocked)]
    assert main(["table", str(results), "--papers", str(papers), *files]) == 2
    assert "cannot write" in capsys.readouterr().err
    assert main(["site", str(results), "--papers", str(papers), "--to", str(papers / "papers.yaml" / "site")]) == 2
    assert "cannot write" in capsys.readouterr().err
    assert not (tmp_path / "t.tex").exists()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.fault("input and places of reports")
def test_a_damaged_claims_file_is_one_sentence(results: Path, papers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (papers / "paper0" / "claims.yaml").write_text("claims: [")
    load_claims.cache_clear()
    assert main(["table", str(results), "--papers", str(papers)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("line", ["", "colour", "table --prefer oldest", "site --to", "history add"])
@pytest.mark.fault("input and places of reports")
def test_wrong_arguments_are_one_sentence(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(line.split())
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_site_is_replaced_by_the_next_and_what_was_added_is_not_lost(
    results: Path, papers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["site", str(results), "--papers", str(papers), "--to", str(tmp_path / "site")]
    assert main(command) == 0
    added = tmp_path / "site" / "figures" / "added.html"
    added.write_text("")
    assert main(command) == 2
    assert "figures/added.html was added to the earlier one, move it away" in capsys.readouterr().err
    added.unlink()
    write_results(results, papers, ["small"])
    assert main(command) == 0
    assert "scale small" in (tmp_path / "site" / "paper0.html").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["papers", "results", "site"]


@pytest.mark.fault("input and places of reports")
@pytest.mark.parametrize(
    "line",
    [
        "table loop", "table results --csv loop", "table results --csv loop/x", "table results --papers loop",
        "site results --to loop", "site results --to loop/x", "history add results --history loop",
        "history diff --history loop", "drift loop results", "keep loop", "pilots loop", "pages --results loop",
    ],
)  # fmt: skip
def test_a_link_that_leads_to_itself_is_one_sentence(
    results: Path, papers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    loop(tmp_path / "loop")
    words = [str(tmp_path / word) if word.startswith("loop") else word for word in line.split()]
    words = [str(results) if word == "results" else word for word in words]
    words += ["--papers", str(papers)] if words[0] in ("table", "site") and "--papers" not in words else []
    assert main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.fault("input and places of reports")
def test_papers_without_claims_are_one_sentence(
    results: Path, papers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for make, sentence in ((loop, "claims.yaml"), (Path.unlink, "there is no <paper>/claims.yaml with a claim in")):
        for path in [folder / "claims.yaml" for folder in papers.iterdir() if folder.is_dir()]:
            make(path)
        load_claims.cache_clear()
        assert main(["table", str(results), "--papers", str(papers)]) == 2
        assert sentence in (said := capsys.readouterr().err)
        assert said.count("\n") == 1
