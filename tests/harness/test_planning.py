"""Sessions plan their seeds from pilots, say so, and run as many."""

import re

import pytest
import yaml

from tests.harness.toy_session import Session

PLANNED = """
import os
from reproductions.harness.plugin import decides
from tests.harness.toy_experiments import Toy

def experiments(settings):
    return {"all": [Toy(os.environ["TOY_MARKS"], 1.0, seed) for seed in range(settings.seeds)]}

@decides("toy-number")
def test_number(claim, runs):
    pass
"""
PILOT = {"toy-number": {"smoke": {"deviation": 0.1, "seeds": 8, "date": "2030-01-01"}}}


@pytest.fixture
def planned(session: Session) -> Session:
    session.write_test(PLANNED)
    path = session.paper / "claims.yaml"
    document = yaml.safe_load(path.read_text())
    document["claims"][0]["resolution"] = 0.08
    path.write_text(yaml.safe_dump(document))
    (session.paper / "pilots.yaml").write_text(yaml.safe_dump(PILOT))
    return session


@pytest.mark.parametrize(("seeds", "runs"), [("auto", 12), ("5", 5)])
def test_seeds_are_planned_unless_they_are_given(planned: Session, seeds: str, runs: int) -> None:
    result = planned.run_here(str(planned.paper), "--collect-only", "--seeds", seeds)
    assert f"toy/test_toy: {runs} runs" in result.stdout
    sentence = "toy/test_toy: 12 seeds planned: toy-number sees 0.08 at a standard deviation of 0.1 with 12 (pilot of 8"
    assert (sentence in " ".join(result.stdout.split())) == (seeds == "auto")


def test_what_a_session_says_before_it_begins_fits_the_terminal(planned: Session) -> None:
    result = planned.run(str(planned.paper), "--collect-only", "--seeds", "auto", COLUMNS="80")
    said = re.findall(r"^(?:reproductions:|toy/|in all:|  (?![ <])).*", result.stdout, re.MULTILINE)
    assert [line.startswith("  ") for line in said] == [False, True, False, True, False, False]
    assert max(map(len, said)) <= 80


def test_a_module_of_which_nothing_is_selected_has_no_plan_to_say(planned: Session) -> None:
    (planned.paper / "test_other.py").write_text("def test_something_else(): pass\n")
    result = planned.run_here(str(planned.paper), "--collect-only", "--seeds", "auto", "-k", "something_else")
    assert "1/2 tests collected" in result.stdout
    assert "planned:" not in result.stdout


def test_seeds_are_those_of_the_whole_module_where_a_part_is_selected(planned: Session) -> None:
    with (planned.paper / "test_toy.py").open("a") as file:
        file.write("\ndef test_drawing(runs): pass\n")
    result = planned.run_here(str(planned.paper), "--collect-only", "--seeds", "auto", "-k", "drawing")
    assert "toy/test_toy: 12 seeds planned" in result.stdout
    assert "toy/test_toy: 12 runs" in result.stdout


def test_without_a_pilot_the_default_is_taken(planned: Session) -> None:
    (planned.paper / "pilots.yaml").unlink()
    result = planned.run_here(str(planned.paper), "--collect-only", "--seeds", "auto")
    assert "toy/test_toy: 8 runs" in result.stdout


def test_damaged_pilots_stop_the_session(planned: Session) -> None:
    (planned.paper / "pilots.yaml").write_text("toy-number: [")
    result = planned.run_here(str(planned.paper), "--seeds", "auto")
    assert result.returncode == 4
    assert f"ERROR: {planned.paper / 'pilots.yaml'} is no file of pilots" in result.stderr
