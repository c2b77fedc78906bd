import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from reproductions.__main__ import main
from reproductions.report.site import POLICY
from tests.harness.toy_session import ROOT
from tests.report.generated import SVG, verdicts, write_papers, write_plot, write_results, write_verdicts


class Page(HTMLParser):
    """Ids, links and sources of a page; its tags have to be balanced."""

    VOID = frozenset({"meta", "link", "input", "img", "wbr", "br", "source"})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(path.read_text())
        assert not self.open, f"{path} leaves {self.open} open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [value for name in ("href", "src") if (value := found.get(name))]
        self.open += [] if tag in self.VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def site(results: Path, papers: Path, tmp_path: Path) -> Path:
    write_plot(results, "smoke", "paper0", "sensitivity")
    assert main(["site", str(results), "--papers", str(papers), "--to", str(tmp_path / "site")]) == 0
    return tmp_path / "site"


def test_the_site_has_a_page_a_paper_and_all_that_they_need(site: Path) -> None:
    assert {path.name for path in site.glob("*.html")} == {"index.html", "paper0.html", "paper1.html"}
    pages = {path.name: Page(path) for path in site.glob("*.html")}
    for name, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), name
        for link in page.links:
            target, _, anchor = link.partition("#")
            assert link == "data:," or (site / target).exists(), link
            assert not anchor or anchor in pages[target or name].ids, link


def test_every_page_says_what_it_may_load(site: Path) -> None:
    for path in site.glob("*.html"):
        head = path.read_text().split("<title>")[0]
        assert f'<meta http-equiv="Content-Security-Policy" content="{POLICY.replace(chr(39), "&#39;")}">' in head


def test_nothing_comes_from_the_network(site: Path) -> None:
    for path in site.glob("*.*"):
        assert not re.findall(r"(?:src|href|url\(|import)[=\"'( ]*(?:https?:)?//", path.read_text()), path


def test_the_overview_has_a_square_for_each_verdict(site: Path) -> None:
    text = (site / "index.html").read_text()
    assert len(re.findall(r'class="square[^>]*data-verdict', text)) == 22
    assert "Nothing here was trained in a paper's own setting" in " ".join(text.split())
    assert "Nobody, “Later”" in text


def test_a_card_says_what_is_printed_found_and_run(site: Path) -> None:
    text = (site / "paper0.html").read_text()
    card = " ".join(
        text[text.index('id="paper0-claim0"') : text.index('id="paper0-claim1"')].replace("<wbr>", "").split()
    )
    for part in (
        "&lt;that&gt;", "<mi>τ</mi>", "Figure 1; Sec 2", "1.47, baseline 1.5", "[1.4, 1.55]", "+-0.1", "scale smoke",
        "data: digits", "commit aaaaaaa", "3 seeds", "2 ranks", "not the paper's number", "loss_T of the mean | worst",
        "pytest reproductions/paper0/test_figure1.py -k paper0-claim0 --scale smoke --seeds 3<",
    ):  # fmt: skip
        assert part in card, part
    assert "with uncommitted changes" not in card
    assert "pytest <wbr>reproductions/ <wbr>-k <wbr>&#39;one <wbr>or <wbr>two&#39;" in text


def test_plots_stand_in_their_section_with_their_numbers(site: Path) -> None:
    text = (site / "paper0.html").read_text()
    figure1 = text[text.index('id="section-figure-1"') : text.index('id="section-figure-2"')]
    assert (
        'src="figures/smoke/paper0/figure1.svg" alt="figure1, reproduced at scale smoke" width="300" height="200"'
        in figure1
    )
    assert 'href="figures/smoke/paper0/figure1.csv" download' in figure1
    assert "figures/smoke/paper0/sensitivity.svg" in text[text.index('id="section-other-plots"') :]
    assert (site / "figures/smoke/paper0/figure1.svg").read_text() == SVG


def test_the_pictures_of_all_papers_are_on_the_first_page(site: Path) -> None:
    text = (site / "index.html").read_text()
    for paper in ("paper0", "paper1"):
        assert f'<img src="figures/{paper}.svg"' in text
        assert f'srcset="figures/{paper}-narrow.svg"' in text
        assert (site / f"figures/{paper}-narrow.svg").exists()


def test_a_card_that_is_folded_has_its_name(site: Path) -> None:
    assert '<span class="short">claim0 ·</span> <span class="where">scale smoke' in (site / "paper0.html").read_text()


def test_a_plot_is_of_another_setting_only_if_a_claim_is_about_the_papers_own(tmp_path: Path) -> None:
    papers = write_papers(tmp_path / "papers")
    claims = papers / "paper0" / "claims.yaml"
    document = yaml.safe_load(claims.read_text())
    for claim in document["claims"]:
        claim["scale"] = "any" if claim["source"].startswith("Figure 1") else "paper"
    claims.write_text(yaml.dump(document))
    results = write_results(tmp_path / "results", papers)
    assert main(["site", str(results), "--papers", str(papers), "--to", str(tmp_path / "site")]) == 0
    lines = re.findall(r"<summary>figure\d, .*</summary>", (tmp_path / "site" / "paper0.html").read_text())
    assert ["not the paper's setting" in line for line in lines] == [False, True]


def test_what_makes_a_record_doubtful_is_said(tmp_path: Path, papers: Path) -> None:
    row = verdicts(papers, "small")[0]
    newer = replace(row, verdict="deviates", reason="known: too few epochs", commit="b" * 40, time="2031")
    write_verdicts(tmp_path / "one", "small", [row])
    write_verdicts(tmp_path / "two", "small", [newer], commit="b" * 40, time="2031", clean=False)
    folders = [str(tmp_path / "one"), str(tmp_path / "two"), "--papers", str(papers), "--prefer", "newest"]
    assert main(["site", *folders, "--to", str(tmp_path / "site")]) == 0
    text = " ".join((tmp_path / "site" / "paper0.html").read_text().split())
    assert "An earlier record said reproduced at commit aaaaaaa; the newest was preferred." in text
    assert "commit bbbbbbb, with uncommitted changes" in text
    assert "Cause</span> too few epochs" in text


def test_a_site_of_full_size_has_pages_below_a_megabyte(tmp_path: Path) -> None:
    papers = write_papers(tmp_path / "papers", papers=5, claims=66)
    results = write_results(tmp_path / "results", papers, ("smoke", "small", "paper"), plots=34)
    assert len(list(results.glob("*/*/*.svg"))) == 510
    assert main(["site", str(results), "--papers", str(papers), "--to", str(tmp_path / "site")]) == 0
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "site").glob("*.*")}
    assert len(sizes) == 9
    assert max(sizes.values()) < 1_000_000, sizes


def test_the_module_is_the_command(results: Path, papers: Path) -> None:
    command = [sys.executable, "-m", "reproductions", "table", str(results), "--papers", str(papers)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert "2 reproduced" in done.stdout
    done = subprocess.run([*command[:3], "--help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert "two folders as one" in done.stdout
