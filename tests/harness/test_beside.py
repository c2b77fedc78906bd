"""Sessions with an algorithm of one's own, in a shortened figure 4(b) of RPS: softmax regression for two epochs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml

from algorithms.rps.averaging import ModelAveraging
from reproductions.harness.beside import Beside, _why
from reproductions.harness.runs.own import Own
from reproductions.harness.runs.runner import Runner
from reproductions.harness.runs.settings import Settings
from reproductions.harness.session import Session as OneSession
from tests.harness.toy_session import ROOT, Session

FIGURE = """
from reproductions.rps.recipes import ARRIVALS, Recipe
from reproductions.rps.test_figure4b import test_figure4b, test_validation_has_the_same_order
from reproductions.workloads.digits import Digits

def experiments(settings):
    short = Recipe(Digits("linear"), batch=8, epochs=2, base_lr=1.0, evaluations=2)
    return {arrival: [short.training(arrival, seed) for seed in range(settings.seeds)] for arrival in ARRIVALS}
"""
OWN = """
from dataclasses import dataclass
from algorithms.algorithm import Algorithm
from algorithms.rps.averaging import ModelAveraging

class Same(ModelAveraging):
    pass

class Uphill(ModelAveraging):
    def step(self, world, x, g, state, t, lr):
        super().step(world, x, g.neg_(), state, t, lr)

class Slower(ModelAveraging):
    def step(self, world, x, g, state, t, lr):
        super().step(world, x, g, state, t, lr / 4)

class Nan(ModelAveraging):
    def step(self, world, x, g, state, t, lr):
        x.fill_(float("nan"))

class Failing(ModelAveraging):
    def step(self, world, x, g, state, t, lr):
        raise ArithmeticError("of one's own")
"""


class Bench(Session):
    """Sessions on that figure, each with an algorithm of ``own_algorithms.py``."""

    said: str  # by its first session

    def beside(self, name: str, *more: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(self.paper), "--ranks", "1", "--seeds", "3", "--algorithm", f"own_algorithms:{name}", *more)

    def kept(self) -> dict[str, bytes]:
        folder = self.results / "smoke" / "toy"
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    def differences(self, name: str) -> pd.DataFrame:
        folder = self.results / "smoke" / "toy" / f"own_algorithms.{name}"
        return pd.read_csv(folder / "figure4b.differences.csv").set_index("label")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return a lab with one session in it, whose algorithm goes uphill."""
    lab = Bench(tmp_path_factory.mktemp("lab"))
    claims = yaml.safe_load((ROOT / "reproductions" / "rps" / "claims.yaml").read_text())
    claims["claims"] = [claim for claim in claims["claims"] if claim["id"] == "rps-fig4-validation-similar"]
    claims["paper"] = lab.paper.name
    (lab.paper / "claims.yaml").write_text(yaml.safe_dump(claims))
    (lab.paper / "test_toy.py").write_text(FIGURE)
    (lab.folder / "own_algorithms.py").write_text(OWN)
    done = lab.beside("Uphill")
    assert done.returncode == 0, done.stdout + done.stderr
    lab.said = done.stdout
    return lab


def test_a_wrong_algorithm_is_a_dashed_curve_far_from_the_papers(lab: Bench) -> None:
    folder = lab.results / "smoke" / "toy" / "own_algorithms.Uphill"
    assert "Uphill, 80%" in (folder / "figure4b.svg").read_text()
    assert "Uphill" not in (folder.parent / "figure4b.svg").read_text()
    frame = pd.read_csv(folder / "figure4b.csv")
    assert list(frame["whose"].unique()) == ["paper", "Uphill"]
    assert len(frame) == 2 * len(pd.read_csv(folder.parent / "figure4b.csv"))
    found = lab.differences("Uphill")
    assert list(found.index) == [1.0, 0.99, 0.95, 0.9, 0.8]
    assert (found["low"] > 1).all()
    assert list(pd.read_csv(folder / "claims.csv")["id"]) == ["rps-fig4-validation-similar"]
    assert "own_algorithms:Uphill: 15 runs, 15 to make" in lab.said
    said = lab.said.split("own_algorithms:Uphill beside the papers' algorithms")[1]
    assert "ends above the paper's by, with 95 % intervals over 3 seeds (figure4b.differences.csv):" in said
    assert "train_loss           0.8              +" in said
    assert "rps-fig4-validation-similar" in said


def test_an_equal_algorithm_differs_by_nothing_and_what_is_the_papers_stays(lab: Bench) -> None:
    files, verdicts = lab.kept(), lab.verdicts()
    done = lab.beside("Same")
    assert done.returncode == 0, done.stdout + done.stderr
    found = lab.differences("Same")
    assert len(found) == 5
    assert (found[["difference", "low", "high"]] == 0).all(axis=None)
    assert lab.kept() == files
    assert [_found(row) for row in lab.verdicts().values()] == [_found(row) for row in verdicts.values()]
    own = pd.read_csv(lab.results / "smoke" / "toy" / "own_algorithms.Same" / "claims.csv")
    assert list(own["verdict"]) == [verdicts["rps-fig4-validation-similar"]["verdict"]]


def test_an_algorithm_that_diverges_is_told_so_in_a_line(lab: Bench) -> None:
    done = lab.beside("Nan")
    assert done.returncode == 0, done.stdout + done.stderr
    said = "own_algorithms.Nan diverged in 15 of 15 runs, first at 1.0"
    (line,) = [line for line in done.stdout.splitlines() if "rps-fig4-validation-similar" in line and "Nan" in line]
    assert line.endswith(said)
    (row,) = pd.read_csv(lab.results / "smoke" / "toy" / "own_algorithms.Nan" / "claims.csv").to_dict("records")
    assert row["reason"].startswith(f"{said}: ")
    (note,) = [line for line in done.stdout.splitlines() if line.startswith("15 of 15 runs diverged, as ")]
    assert "Nan(" in note
    assert "this run diverged" not in done.stdout


def _found(row: dict[str, object]) -> list[object]:
    return [row[name] for name in ("id", "verdict", "found", "interval", "seeds")]


@pytest.mark.slow
def test_an_algorithm_that_fails_fails_the_session_and_takes_nothing_with_it(lab: Bench) -> None:
    files = lab.kept()
    done = lab.beside("Failing")
    assert done.returncode == 1
    assert lab.kept() == files
    assert "2 passed" in done.stdout or "1 passed, 1 skipped" in done.stdout
    assert done.stdout.count("Failing failed in its runs, those of the papers did not need it:") == 1
    assert "ArithmeticError: of one's own" in done.stdout
    assert json.loads((lab.results / "smoke" / "verdicts.json").read_text())["claims"]


def test_bad_names_and_tests_without_a_place_end_the_session_at_once(lab: Bench) -> None:
    done = lab.beside("Missing")
    assert done.returncode == 4
    assert done.stderr.strip().startswith("ERROR: --algorithm is 'own_algorithms:Missing', but ")
    assert done.stderr.strip().endswith("own_algorithms.py has no Missing, only Same, Uphill, Slower, Nan, Failing")
    (lab.folder / "test_none.py").write_text("def test_nothing(): pass\n")
    done = lab.run("test_none.py", "--algorithm", "own_algorithms:Same")
    assert done.returncode == 4
    assert "ERROR: --algorithm is 'own_algorithms:Same', but no selected test runs an algorithm" in done.stderr


def test_a_selection_without_a_place_for_it_ends_at_once(request: pytest.FixtureRequest) -> None:
    settings = Settings(algorithm=Own("mine:Mine", "Mine", ModelAveraging()))
    beside = Beside(OneSession(settings, Runner(settings)))
    beside.pytest_collection_modifyitems([])  # nothing was selected: pytest says so
    with pytest.raises(pytest.UsageError, match=r"^--algorithm is 'mine:Mine', but no selected test runs an algorithm"):
        beside.pytest_collection_modifyitems([request.node])


def test_a_test_that_insists_on_the_papers_algorithm_says_so() -> None:
    """Such as that of a bound, which asserts ``isinstance``; other errors are named."""
    with pytest.raises(AssertionError) as asserted:
        assert isinstance(object(), ModelAveraging)
    assert _why(asserted.value) == "its test takes no algorithms but those of its paper"
    assert _why(ValueError("no\n  number")) == "ValueError: no number"
    assert _why(AssertionError("3 == 4")) == "AssertionError: 3 == 4"


@pytest.mark.slow
def test_figure_4b_itself_has_one_more_curve(lab: Bench, tmp_path: Path) -> None:
    command = lab.command(str(ROOT / "reproductions" / "rps"), "-k", "rps and test_figure4b", "--seeds", "3")
    more = ["--results", str(tmp_path), "--algorithm", "own_algorithms.py:Slower"]
    done = subprocess.run(
        [*command, *more],
        cwd=lab.folder,
        env=lab.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "smoke" / "rps" / "own_algorithms.Slower"
    assert "Slower, 80%" in (folder / "figure4b.svg").read_text()
    found = pd.read_csv(folder / "figure4b.differences.csv")
    assert list(found["label"]) == [1.0, 0.99, 0.95, 0.9, 0.8]
    assert (found["low"] > 0).all()
