"""The figures of a smoke session are kept where a checkout has no larger scale of them, and shown from there."""

from pathlib import Path

import pytest

from reproductions.__main__ import main
from reproductions.report.keeping import LARGEST
from reproductions.report.results import read_folder
from tests.report.generated import SVG, write_plot, write_results


@pytest.fixture
def session(tmp_path: Path, papers: Path) -> Path:
    return write_results(tmp_path / "session", papers, plots=3)


def kept(results: Path) -> set[str]:
    folder = results / "baseline" / "smoke"
    return {path.relative_to(folder).as_posix() for path in folder.glob("*/*.*")}


def test_figures_without_a_larger_scale_are_copied(session: Path, tmp_path: Path, papers: Path) -> None:
    to = write_results(tmp_path / "checkout", papers, ("small",), plots=1)
    (session / "smoke" / "paper0" / "figure2.csv").write_text("a,b\n" + "1,2\n" * LARGEST)
    write_plot(to / "baseline", "smoke", "paper0", "figure2")
    assert main(["keep", str(session), "--to", str(to)]) == 0
    names = {"figure2.svg", "figure2.csv", "figure2.json", "figure3.svg", "figure3.csv", "figure3.json"}
    both = {f"{paper}/{name}" for paper in ("paper0", "paper1") for name in names}
    assert kept(to) == both - {"paper0/figure2.csv"}  # the picture stays, its numbers are too many


def test_a_large_picture_is_named_and_left_out(session: Path, tmp_path: Path, papers: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    to = write_results(tmp_path / "checkout", papers, ("small",), plots=0)
    (session / "smoke" / "paper1" / "figure3.svg").write_text(SVG.replace("/>", f' id="{"a" * LARGEST}"/>'))
    assert main(["keep", str(session), "--to", str(to)]) == 1
    assert f"more than {LARGEST} bytes: paper1/figure3\n" in capsys.readouterr().out
    assert "paper1/figure3.svg" not in kept(to)


def test_a_page_shows_the_largest_scale_and_then_the_baseline(session: Path, tmp_path: Path, papers: Path) -> None:
    to = write_results(tmp_path / "checkout", papers, ("small",), plots=1)
    assert main(["keep", str(session), "--to", str(to)]) == 0
    assert len(read_folder(to).kept_plots) == 4
    site = tmp_path / "site"
    assert main(["site", str(to), "--papers", str(papers), "--to", str(site)]) == 0
    shown = {path.relative_to(site / "figures").as_posix() for path in site.glob("figures/*/paper0/*.svg")}
    assert shown == {"small/paper0/figure1.svg", "smoke/paper0/figure2.svg", "smoke/paper0/figure3.svg"}


def test_your_own_session_goes_before_the_baseline(session: Path, papers: Path, tmp_path: Path) -> None:
    stem = write_plot(session / "baseline", "smoke", "paper0", "figure1")
    stem.with_suffix(".svg").write_text(SVG.replace("99", "11"))
    assert main(["site", str(session), "--papers", str(papers), "--to", str(tmp_path / "site")]) == 0
    assert (tmp_path / "site" / "figures" / "smoke" / "paper0" / "figure1.svg").read_text() == SVG


def test_figures_of_fewer_seeds_do_not_replace_kept_ones(session: Path, tmp_path: Path, papers: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    to = write_results(tmp_path / "checkout", papers, ("small",), plots=0)
    for name, theirs, ours in (("figure1", 8, 3), ("figure2", 3, 3), ("figure3", 8, 0)):
        old = write_plot(to / "baseline", "smoke", "paper0", name).with_suffix(".csv")
        old.write_text("seed,value\n" + "".join(f"{seed},1\n{seed},2\n" for seed in range(theirs)))
        if ours:
            new = session / "smoke" / "paper0" / f"{name}.csv"
            new.write_text("seed,value\n" + "".join(f"{seed},3\n" for seed in range(ours)))
    assert main(["keep", str(session), "--to", str(to)]) == 0
    folder = to / "baseline" / "smoke" / "paper0"
    assert len((folder / "figure1.csv").read_text().splitlines()) == 17
    assert "0,3" in (folder / "figure2.csv").read_text()
    assert "seed" not in (folder / "figure3.csv").read_text()  # they do not say of how many they are
    said = capsys.readouterr().out.splitlines()
    assert said[0] == (
        "copied 5 figures: paper0/figure2, paper0/figure3, paper1/figure1, paper1/figure2, paper1/figure3"
    )
    assert said[1].startswith("18 files of 0.0 MB are kept in ")
    assert said[2] == "left out, as the kept ones are of more seeds: paper0/figure1"
