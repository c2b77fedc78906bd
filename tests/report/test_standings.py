"""The page on which a reader chooses a condition: what it reads, and what it shows without a browser."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from reproductions.__main__ import main
from reproductions.report.pages import BEGIN, END
from reproductions.report.results import Plot
from reproductions.report.standings import Leaders, advice, heats
from tests.report.generated import write_papers, write_plot, write_results

COLUMNS = "task,condition,contestant,measure,mean,ratio,low,high,best,chosen"
ROWS = (
    "digits,ideal,fast,time,0.5,1,1,1,True,lr 0.1",
    "digits,ideal,fast,bytes,2e6,0,0,0,True,",
    "digits,ideal,slow,time,1,2,1.8,2.2,False,<b>lr</b>",
    "digits,rain,fast,time,inf,inf,inf,inf,False,lr 0.1",
    "squares,ideal,slow,gradients,40,1.1,0.9,1.2,True,lr 1",
)
AMONG_SENDERS = (
    "digits,ideal,slow,time of senders,1,1,1,1,True,",
    "digits,ideal,even,time of senders,1.1,1.1,0.9,1.3,True,",
    "digits,ideal,far,time of senders,2,2,1.9,2.1,False,",
    "digits,ideal,even,bytes,3e6,1.5,1.4,1.6,False,",
    "digits,ideal,slow,bytes,2e6,1,1,1,True,",
    "digits,ideal,lost,time,inf,inf,inf,inf,False,",
    "digits,ideal,lost,bytes,inf,inf,inf,inf,False,",
)


def write_map(folder: Path, more: tuple[str, ...] = (), scale: str = "smoke") -> Plot:
    stem = write_plot(folder, scale, "paper0", "map")
    stem.with_suffix(".csv").write_text("\n".join((COLUMNS, *ROWS, *more)) + "\n")
    return Plot("paper0", scale, "map", "", {".svg": stem.with_suffix(".svg"), ".csv": stem.with_suffix(".csv")})


def write_runs(folder: Path) -> Plot:
    stem = write_plot(folder, "smoke", "paper0", "tuning")
    row = 'digits,ideal,fast,0 1a2b3c4d 0.5; 1 5e6f7a8b inf,"lr 0.1: 0.4; lr 0.9: inf",1'
    stem.with_suffix(".csv").write_text(f"task,condition,contestant,runs,tries,chosen\n{row}\n")
    return Plot("paper0", "smoke", "tuning", "", {".csv": stem.with_suffix(".csv")})


def test_an_entry_names_its_runs_and_tries(tmp_path: Path) -> None:
    fast, slow = heats([write_map(tmp_path), write_runs(tmp_path)])[0].entries
    assert fast.runs == (("0", "1a2b3c4d", "0.5"), ("1", "5e6f7a8b", "inf"))
    assert fast.tries == ("lr 0.1: 0.4", "lr 0.9: inf")
    assert (slow.runs, slow.tries) == ((), ())


def test_advice_is_about_those_that_send_and_names_ties_and_who_never_gets_there(tmp_path: Path) -> None:
    (told,) = advice(heats([write_map(tmp_path, AMONG_SENDERS)]))
    assert (told.task, told.condition, told.lost) == ("digits", "ideal", ("lost",))
    assert told.leaders == (Leaders(("slow", "even"), 1.0, "s"), Leaders(("slow",), 2.0, "MB"))
    nobody = tuple(row.replace("True", "False") for row in AMONG_SENDERS)
    assert advice(heats([write_map(tmp_path, nobody)]))[0].leaders == (None, None)
    assert advice(heats([write_map(tmp_path)])) == []


def test_pages_say_what_to_use(tmp_path: Path) -> None:
    papers, readme = write_papers(tmp_path / "papers"), tmp_path / "README.md"
    results = write_results(tmp_path / "results", papers)
    readme.write_text(f"{BEGIN}\n{END}\n")
    write_map(results, AMONG_SENDERS, scale="small")
    given = ["--papers", str(papers)]
    assert main(["pages", "--results", str(results), "--readme", str(readme), *given]) == 0
    assert (
        "| digits: ideal | **slow; even**: 1 s | **slow**: 2 MB | lost |" in (papers / "paper0/README.md").read_text()
    )
    assert main(["site", str(results), *given, "--to", str(tmp_path / "site")]) == 0
    assert "<b>slow; even</b>" in (tmp_path / "site" / "compare.html").read_text()


@pytest.fixture
def page(tmp_path: Path) -> str:
    papers = write_papers(tmp_path / "papers")
    results = write_results(tmp_path / "results", papers)
    write_map(results)
    write_runs(results)
    assert main(["site", str(results), "--papers", str(papers), "--to", str(tmp_path / "site")]) == 0
    assert 'href="compare.html"' in (tmp_path / "site" / "index.html").read_text()
    return (tmp_path / "site" / "compare.html").read_text()


def test_a_map_is_read_by_task_condition_and_contestant(tmp_path: Path) -> None:
    found = heats([write_map(tmp_path)])
    assert [(heat.task, heat.condition) for heat in found] == [
        ("digits", "ideal"),
        ("digits", "rain"),
        ("squares", "ideal"),
    ]
    fast, slow = found[0].entries
    assert (fast.standings["time"].mean, fast.standings["bytes"].mean) == (0.5, 2.0)
    assert (slow.standings["time"].low, slow.standings["time"].best) == (1.8, False)
    assert math.isinf(found[1].entries[0].standings["time"].ratio)


def test_other_plots_have_no_heats(tmp_path: Path) -> None:
    stem = write_plot(tmp_path, "smoke", "paper0", "figure1")
    assert heats([Plot("paper0", "smoke", "figure1", "", {".csv": stem.with_suffix(".csv")})]) == []


def test_without_a_script_every_condition_is_there(page: str) -> None:
    assert re.findall(r"<h2>(.*?)</h2>", page) == ["digits: ideal", "digits: rain", "squares: ideal"]
    rows = re.findall(r'<tr><th scope="row">(\w+) .*?</th>(.*?)</tr>', page, re.DOTALL)
    cells = [(name, re.findall(r"<td[^>]*>(?:<b>)?([\w.]+(?: \[.*?\]| run)?)", row)) for name, row in rows]
    assert cells == [
        ("fast", ["1", "none", "not run"]),
        ("slow", ["2 [1.8, 2.2]", "not run", "not run"]),
        ("fast", ["never", "not run", "not run"]),
        ("slow", ["not run", "not run", "1.1 [0.9, 1.2]"]),
    ]


def test_what_a_table_says_is_text(page: str) -> None:
    assert "&lt;b&gt;lr&lt;/b&gt;" in page
    assert "<b>lr</b>" not in page


def test_a_site_without_a_comparison_has_no_such_page(tmp_path: Path) -> None:
    papers = write_papers(tmp_path / "papers")
    results = write_results(tmp_path / "results", papers)
    assert main(["site", str(results), "--papers", str(papers), "--to", str(tmp_path / "site")]) == 0
    assert not (tmp_path / "site" / "compare.html").exists()
    assert "compare.html" not in (tmp_path / "site" / "index.html").read_text()


def test_the_page_names_the_runs_behind_an_entry(page: str) -> None:
    assert "runs/1a2b3c4d" in page
    assert "lr 0.9: inf" in page
