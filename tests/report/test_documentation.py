"""Pages of the papers are made from the claims, hold all of them, and are up to date in this commit."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from reproductions.harness.claims import load_claims
from reproductions.report.documentation import Module, escape, page
from tests.harness.toy_session import TOY

ROOT = Path(__file__).parents[2]
CLAIM = load_claims(TOY / "claims.yaml")["toy-number"]
PAPERS = sorted(path.parent.name for path in (ROOT / "reproductions").glob("*/claims.yaml"))


def test_the_pages_in_this_commit_are_up_to_date():
    command = [sys.executable, "-m", "reproductions.report.documentation", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("paper", PAPERS)
def test_every_claim_has_its_place_and_its_command(paper):
    text = (ROOT / "docs" / "papers" / f"{paper}.md").read_text()
    for claim in load_claims(ROOT / "reproductions" / paper / "claims.yaml").values():
        command = re.search(rf"^- \*\*Run:\*\* `pytest (\S+) -k {re.escape(claim.id)}`$", text, re.MULTILINE)
        assert command, claim.id
        assert (ROOT / command[1]).exists()


def test_a_claim_with_everything():
    full = replace(
        CLAIM,
        scale="paper",
        trend="the order",
        erratum="printed 2",
        note="read as a mean",
        deviates={"small": "too short"},
        merges=("other-1", "other-2"),
        quote="$x_t$ is <b>",
    )
    text = page("toy", "Toys", [Module("reproductions/toy/test_toy.py", "Table 1", (full,))])
    assert "1 claims: 0 can be decided at any scale, 1 only in the paper's own setting" in text
    assert "> \\$x\\_t\\$ is \\<b\\>" in text
    for line in (
        "- **Reported:** 1.0",
        "- **Measured:** loss",
        "- **Tolerance:** +-0.1. a toy",
        "- **Decided:** only at --scale paper; a smaller scale tests in its place: the order",
        "- **Reading:** read as a mean",
        "- **Erratum:** printed 2",
        "- **Known deviation at small scale:** too short",
        "- **Covers also:** other-1, other-2",
        "- **Run:** `pytest reproductions/toy/test_toy.py -k toy-number`",
    ):
        assert f"\n{line}\n" in text


def test_nothing_is_said_that_a_claim_does_not_have():
    text = page("toy", "Toys", [Module("reproductions/toy/test_toy.py", "Table 1", (CLAIM,))])
    for name in ("Erratum", "Known deviation", "Reading", "Covers also"):
        assert name not in text


def test_plain_text_stays_plain():
    assert escape("a_b * c\n  [d] `e` \\f #1 ~g |h| {i}") == r"a\_b \* c \[d\] \`e\` \\f \#1 \~g \|h\| \{i\}"
