"""All runs of a results folder are one frame, with their parameters, seeds and provenance."""

from pathlib import Path

import pytest

from algorithms.network import Lossless
from algorithms.rps.averaging import ModelAveraging
from algorithms.schedule import Constant
from reproductions.experiments.descent import Descent
from reproductions.frames import load, parameters
from reproductions.harness.runs.key import describe
from reproductions.harness.runs.runner import Runner
from reproductions.harness.runs.settings import Settings
from reproductions.workloads.objectives import Gaussian, Quadratic
from tests.harness.toy_experiments import Toy


@pytest.fixture
def results(tmp_path: Path) -> Path:
    runner = Runner(Settings(results=tmp_path, ranks=1, device="cpu"))
    runner.run([Toy(str(tmp_path), mean, seed) for mean in (1.0, 3.0) for seed in (0, 1)])
    return tmp_path


def test_a_frame_has_every_run_with_its_parameters(results: Path) -> None:
    frame = load(results)
    assert frame["run"].nunique() == 4
    assert set(frame["experiment"]) == {"Toy"}
    assert {(row.mean, row.seed) for row in frame.itertuples()} == {(1.0, 0), (1.0, 1), (3.0, 0), (3.0, 1)}
    assert list(frame.columns[-3:]) == ["step", "metric", "value"]
    assert frame["commit"].notna().all()
    assert (frame["ranks"] == 1).all()
    assert (frame["value"] == frame["mean"] + frame["seed"] / 1000).all()


def test_runs_of_before_stay_without_parameters(results: Path) -> None:
    path = next((results / "runs").glob("*/run.json"))
    path.write_text(path.read_text().replace('"experiment"', '"forgotten"'))
    frame = load(results)
    assert frame["run"].nunique() == 4
    assert frame.groupby("run", observed=True)["seed"].first().isna().sum() == 1


def test_parameters_go_by_their_path() -> None:
    run = Descent(ModelAveraging(), 4, 16, 100, 7, Lossless(), Quadratic(1.0), Gaussian(0.5), Constant(0.01))
    found = parameters(describe(run))
    assert (found["experiment"], found["algorithm"], found["seed"]) == ("Descent", "ModelAveraging", 7)
    assert (found["noise"], found["noise.deviation"]) == ("Gaussian", 0.5)
    assert parameters(None) == {}


def test_a_folder_without_runs_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there are no finished runs in .*: a session of pytest makes them"):
        load(tmp_path)
