"""``-k`` selects what it names: every figure, table, theorem and section that a claim stands in."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.mark import KeywordMatcher
from _pytest.mark.expression import Expression

from reproductions.harness.keywords import keywords
from reproductions.harness.verdicts.claims import Claim, load_claims

ROOT = Path(__file__).parents[2]
PAPERS = sorted(path.parent.name for path in ROOT.glob("reproductions/*/claims.yaml"))

Selection = dict[str, tuple[str, KeywordMatcher]]


def claims(paper: str) -> list[Claim]:
    return list(load_claims(ROOT / "reproductions" / paper / "claims.yaml").values())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Abstract; Sec 3", "abstract section3. sectioniii."),
        ("Figure 4(c); Sec 6", "figure4. figure4c. section6. sectionvi."),
        ("Figure 5(a or b)", "figure5. figure5a. figure5b."),
        ("Fig 3(a),(e)", "figure3. figure3a. figure3e."),
        ("Figure 7(a) and (b); Appendix A", "figure7. figure7a. figure7b. appendixa."),
        ("Figure 1 right (called 1(b) in the text)", "figure1. figure1b."),
        ("Figure 10 caption", "figure10."),
        ("Table II", "table2. tableii."),
        ("Table 1", "table1. tablei."),
        ("Sec V-B4", "section5. section5-b. section5-b4. sectionv. sectionv-b. sectionv-b4."),
        ("Sec 4.3, Dependence on v", "section4. section4.3. sectioniv. sectioniv.3."),
        ("Lemma 4.6, Eq (4.3)", "lemma4. lemma4.6. equation4.3."),
        ("Lemma 2/3, Theorem 2", "lemma2. lemma3. theorem2."),
        ("Lemmas 10, 11", "lemma10. lemma11."),
        ("Lemma 8, T3", "lemma8."),
        (
            "Appendix A.1 (16)-(18), Propositions 1-3",
            "appendixa. appendixa.1. equation16. equation17. equation18. proposition1. proposition2. proposition3.",
        ),
        ("Appendix B (B.12)-(B.13)", "appendixb. equationb.12. equationb.13."),
        ("Corollary 2 and Appendix G-1", "corollary2. appendixg. appendixg-1."),
        ("Algorithm 1 lines 9-13", "algorithm1."),
        ("Lemma 7 (definition (39))", "lemma7. equation39."),
    ],
)
def test_keywords_of_a_source(source: str, expected: str) -> None:
    claim = claims("rps")[0].model_copy(update={"source": source})
    assert keywords(claim) == set(expected.split())


@pytest.mark.parametrize("paper", PAPERS)
def test_every_number_of_a_source_is_in_a_keyword(paper: str) -> None:
    for claim in claims(paper):
        source = re.sub(r"lines? [\d-]+|\bT\d|M = 0|ResNet50", "", claim.source)
        found = {part for word in keywords(claim) for part in re.findall(r"\d+|(?<=table|ction)[iv]+", word)}
        assert {number.lower() for number in re.findall(r"\d+|\b[IV]+\b", source)} <= found, claim.source


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Selection:
    """All tests of the suite: the claim that each decides, and what -k sees of it."""
    path = tmp_path_factory.mktemp("collected") / "tests.json"
    options = ["--collect-only", "-o", "addopts=", "-p", "no:terminal", "-p", "tests.harness.collected"]
    command = [sys.executable, "-m", "pytest", *options, "reproductions", f"--results={path.parent}"]
    environment = os.environ | {"COLLECTED": str(path), "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return {test: (claim, KeywordMatcher(names)) for test, (claim, names) in json.loads(path.read_text()).items()}


def selected(collected: Selection, expression: str) -> dict[str, str]:
    """Return the tests that -k selects, with their claims."""
    compiled = Expression.compile(expression)
    return {test: claim for test, (claim, matcher) in collected.items() if compiled.evaluate(matcher)}


@pytest.mark.parametrize("paper", PAPERS)
def test_every_keyword_of_a_claim_selects_its_test(collected: Selection, paper: str) -> None:
    for claim in claims(paper):
        words = keywords(claim)
        if paper == "rps" and re.search(r"\(a(,| or )b\)", claim.source):  # one of them, the paper does not say which
            panels = {word for word in words if re.fullmatch(r"figure\d[ab]\.", word)}
            words = (words - panels) | {" or ".join(panels)}
        for word in words:
            assert claim.id in selected(collected, f"{paper} and ({word})").values(), (claim.id, word)


@pytest.mark.parametrize("panel", ["figure4a", "figure4b", "figure4c", "figure5a", "figure5b"])
def test_a_panel_of_a_file_of_its_own_selects_that_file_alone(collected: Selection, panel: str) -> None:
    """Though claims stand in ``Figure 4(a,b)``: figure 4(a) costs hours, and who asks for 4(b) does not want it."""
    for word in (panel, f"{panel}."):
        found = selected(collected, f"rps and {word}")
        files = {test.split("::")[0] for test in found}
        assert files == {f"reproductions/rps/test_{panel}.py"}
        assert "" in found.values()  # the test that draws


@pytest.mark.parametrize(
    ("expression", "module"),
    [
        ("rps and figure4c", "rps/test_figure4c.py"),
        ("coopsgd and figure4b", "coopsgd/test_figure4.py"),
        ("qprsgd and figure3a", "qprsgd/test_figure3_k_m.py"),
        ("qprsgd and table2", "qprsgd/test_table2.py"),
        ("qprsgd and tableii.", "qprsgd/test_table2.py"),
        ("popsgd and figure4.", "popsgd/test_figure4_cifar.py"),
    ],
)
def test_a_figure_selects_the_tests_that_draw_it(collected: Selection, expression: str, module: str) -> None:
    drawing = [test for test, claim in selected(collected, expression).items() if not claim]
    assert any(module in test for test in drawing), drawing


def test_a_dot_ends_a_number(collected: Selection) -> None:
    assert any("test_figure10.py" in test for test in selected(collected, "rps and figure1"))
    assert not any("test_figure10.py" in test for test in selected(collected, "rps and figure1."))
    assert set(selected(collected, "rps and figure10.")) == set(selected(collected, "rps and figure10"))


README = re.findall(r'^pytest reproductions/ -k (?:"([^"]+)"|(\S+))', (ROOT / "README.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("expression", [quoted or word for quoted, word in README])
def test_what_the_readme_selects_is_there(collected: Selection, expression: str) -> None:
    assert selected(collected, expression)
