"""Sessions with a time limit: what stops, what is said, and that the same command comes to an end."""

import re
import subprocess

import pytest

from reproductions.harness.runs.deadline import parsed, written
from reproductions.harness.runs.provenance import provenance
from reproductions.harness.verdicts.claims import load_claims
from reproductions.harness.verdicts.kept import keep
from reproductions.harness.verdicts.record import open_verdict
from tests.harness.toy_session import ROOT, TOY, Session


@pytest.mark.parametrize(
    ("text", "seconds", "again"),
    [
        ("540", 540, "9m"), ("540s", 540, "9m"), ("9m", 540, "9m"), ("1h30m", 5400, "1h30m"), ("2h", 7200, "2h"),
        ("1h5s", 3605, "1h5s"), ("0.5s", 0.5, "0.5s"), ("90m", 5400, "1h30m"),
    ],
)  # fmt: skip
def test_times_are_read_and_written(text: str, seconds: float, again: str) -> None:
    assert parsed(text) == seconds
    assert written(parsed(text)) == again


@pytest.mark.parametrize("text", ["", "0", "0m", "m", "9x", "-5", "1m1h", "1h30", "inf", "nan", "9 m"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"is {text!r}, but must be a time above 0, such as 540, 540s, 9m")):
        parsed(text)


# ---------------------------------------------------------------------------------------------------------- sessions


HALTING = """
import os
from reproductions.harness.plugin import decides
from reproductions.harness.verdicts.statistics import within
from tests.harness.toy_experiments import Halting, Toy

MARKS = os.environ["TOY_MARKS"]

def experiments(settings):
    return {"toy": [Toy(MARKS, 1.0, 0), Halting(MARKS, 1.0, 1), Toy(MARKS, 1.0, 2), Toy(MARKS, 1.0, 3)]}

@decides("toy-number")
def test_number(claim, runs):
    claim.decide(within(runs.final("loss", "toy"), 0.9, 1.1), runs=runs)
"""


def test_the_loop_of_the_readme_ends_with_the_last_session(session: Session) -> None:
    session.write_test(HALTING)
    readme = (ROOT / "README.md").read_text()
    loop = re.search(r"^while (pytest .*?) --time-limit 9m.*\n", readme, re.MULTILINE)
    assert loop, "the README has no loop"
    script = loop[0].replace(loop[1], '"$@"')
    command = ["sh", "-c", f"{script}\nexit $code", "sh", *session.command(str(session.paper))]
    done = subprocess.run(
        command, cwd=session.folder, env=session.environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = done.stdout.split("test session starts")[1:]
    sentence = "the time limit of 9m was reached with 1 of 4 runs made and 1 begun (50%); the same command goes on"
    last = first.split("\n=====")[-2].strip().splitlines()[-1]
    assert last.startswith(f"{sentence}: pytest -p reproductions.harness.plugin")
    assert last.endswith("--time-limit 9m")
    assert "1 skipped" in first
    assert "1 reproduced" in second
    assert session.executed() == ["1.0 0", "1.0 1", "1.0 2", "1.0 3"]


def test_a_limit_shorter_than_the_start_of_ranks_fails_at_once(session: Session) -> None:
    verdicts = session.results / "smoke" / "verdicts.json"
    decided = open_verdict(load_claims(TOY / "claims.yaml")["toy-number"], "smoke", "earlier")
    decided.verdict = "reproduced"
    keep(verdicts, [decided], provenance() | {"time": "earlier"})
    result = session.run(str(session.paper), "--time-limit", "1s", "-k", "number")
    assert result.returncode == 1
    assert "with 0 of 5 runs made, but this session added nothing; raise --time-limit" in result.stdout.splitlines()[-1]
    assert "5 skipped" in result.stdout
    found = {name: row["verdict"] for name, row in session.verdicts().items()}
    assert found.pop("toy-number") == "reproduced"
    assert list(found.values()) == ["not run"] * 4
