"""All about one claim on a terminal, and the table of those that do not hold."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from reproductions.__main__ import main
from reproductions.harness.verdicts.record import VERDICTS
from tests.report.generated import verdicts, write_papers, write_plot, write_results, write_verdicts


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_claim_is_shown_with_its_words_evidence_cause_and_command(
    results: Path, papers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "show", "paper0-claim0", results, "--papers", papers)
    text = " ".join(out.split())
    assert code == 0
    assert max(len(line) for line in out.splitlines() if "smoke/paper0/figure" not in line) <= 80
    for part in (
        "paper0-claim0: reproduced (holds within its tolerance", "“we choose", "where Figure 1; Sec 2",
        "tolerance +-0.1",
        "found 1.47, baseline 1.5; tested: [1.4, 1.55] (scale smoke, data digits, 3 seeds, commit aaaaaaaaaa,",
        "smoke/paper0/figure1.svg",
        "decide again pytest reproductions/paper0/test_figure1.py -k paper0-claim0 --scale smoke --seeds 3",
    ):  # fmt: skip
        assert part in text, part


def test_the_command_has_the_options_without_which_a_claim_is_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    papers = write_papers(tmp_path / "papers")
    claims = papers / "paper0" / "claims.yaml"
    document = yaml.safe_load(claims.read_text())
    document["claims"][0]["options"] = "--network real"
    claims.write_text(yaml.dump(document))
    results = write_results(tmp_path / "results", papers)
    _, out, _ = run(capsys, "show", "paper0-claim0", results, "--papers", papers)
    assert " ".join(out.split()).endswith("-k paper0-claim0 --scale smoke --seeds 3 --network real")


def test_what_nothing_here_can_decide_has_no_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    papers = write_papers(tmp_path / "papers")
    claims = papers / "paper0" / "claims.yaml"
    document = yaml.safe_load(claims.read_text())
    name = f"paper0-claim{VERDICTS.index('not run')}"
    next(claim for claim in document["claims"] if claim["id"] == name)["needs"] = "a cluster for a year"
    claims.write_text(yaml.dump(document))
    results = write_results(tmp_path / "results", papers)
    text = " ".join(run(capsys, "show", name, results, "--papers", papers)[1].split())
    assert "a cluster for a year; nothing here can decide it" in text
    assert "decide again" not in text


def test_the_command_always_has_the_seeds_as_others_may_be_planned(
    tmp_path: Path, papers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [replace(verdicts(papers, "smoke")[0], seeds=seeds) for seeds in (8, 1)]  # 8 is the default of smoke
    write_verdicts(tmp_path / "eight", "smoke", rows[:1])
    write_verdicts(tmp_path / "one", "smoke", rows[1:])
    assert (
        "--scale smoke --seeds 8\n" in run(capsys, "show", "paper0-claim0", tmp_path / "eight", "--papers", papers)[1]
    )
    assert "--seeds" not in run(capsys, "show", "paper0-claim0", tmp_path / "one", "--papers", papers)[1]


def test_the_plots_are_those_of_the_tests_module(
    results: Path, papers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_plot(results, "smoke", "paper0", "figure1", "reproductions/paper0/test_figure1.py::test_figure")
    write_plot(results, "smoke", "paper0", "figure2", "reproductions/paper0/test_figure2.py::test_figure")
    write_plot(results, "smoke", "paper0", "figure1b", "reproductions/paper0/test_figure1b.py::test_figure")
    _, out, _ = run(capsys, "show", "paper0-claim0", results, "--papers", papers)
    assert "figure1.svg" in out
    assert "figure1b.svg" not in out
    for name in ("figure1", "figure1b"):  # nobody knows who drew it: those of the section
        write_plot(results, "smoke", "paper0", name)
    _, out, _ = run(capsys, "show", "paper0-claim0", results, "--papers", papers)
    assert "figure1.svg" in out
    assert "figure2.svg" not in out


def test_a_claim_without_anything_at_a_scale_says_where_there_is(
    results: Path, papers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_verdicts(results, "small", verdicts(papers, "small")[:1])
    write_verdicts(results, "paper", verdicts(papers, "paper")[:1])
    code, out, error = run(capsys, "show", "paper0-claim1", results, "--papers", papers, "--scale", "small")
    assert (code, out) == (2, "")
    assert error.endswith("there is nothing of paper0-claim1 at scale small; there is at scale smoke\n")
    assert run(capsys, "show", "paper0-claim0", results, "--papers", papers, "--scale", "small")[0] == 0


def test_a_claim_that_is_not_there_is_one_sentence(
    results: Path, papers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = run(capsys, "show", "paper0-clam0", results, "--papers", papers)
    assert (code, error.count("\n")) == (2, 1)
    assert "there is no claim 'paper0-clam0'; did you mean paper0-claim0" in error


def test_the_table_of_one_verdict_has_its_claims_only(
    results: Path, papers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = run(capsys, "table", results, "--papers", papers, "--verdict", "deviates")
    rows = [line.split()[:2] for line in out.splitlines() if line.startswith("paper") and "claim" in line]
    assert rows
    assert {verdict for _, verdict in rows} == {"deviates"}
    _, all_of_them, _ = run(capsys, "table", results, "--papers", papers)
    assert out[out.index("in all") :] == all_of_them[all_of_them.index("in all") :]  # the summary is that of all


def test_what_does_not_hold_is_linked_from_the_head_of_the_readme_and_of_its_page(
    results: Path, papers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("<!-- summary: begin -->\n<!-- summary: end -->\n")
    (results / "baseline").mkdir()
    (results / "smoke").rename(results / "baseline" / "smoke")
    assert run(capsys, "pages", "--results", results, "--papers", papers, "--readme", readme)[0] == 0
    (name,) = {line.split("](")[0] for line in readme.read_text().split("[") if line.startswith("paper0-claim")}
    assert f"[{name}](papers/paper0/README.md#{name})" in readme.read_text()
    page = (papers / "paper0" / "README.md").read_text()
    assert f"[{name}](#{name})" in page
    assert page.count(f'<a id="{name}"></a>') == 1
