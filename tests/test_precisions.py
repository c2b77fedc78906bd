"""What a faster precision does is said by runs that differ in nothing else, paired by seed."""

import json
from pathlib import Path

import pandas as pd
import pytest

from reproductions.__main__ import main
from reproductions.precisions import effects
from reproductions.report.errors import ReportError

LOSSES = {("float32", 0.0): (1.0, 2.0, 3.0), ("bfloat16", 0.0): (1.1, 2.0, 3.2), ("bfloat16", 0.1): (5.0, 5.0, 5.0)}


def store(results: Path, precision: str | None, p: float, seed: int, loss: float) -> None:
    """Store a run whose losses are drops with probability p; without a precision as runs that train no network."""
    folder = results / "runs" / f"{precision}-{p}-{seed}"
    folder.mkdir(parents=True)
    network = {"type": "algorithms.network.IndependentDrops", "p": p, "seed": seed}
    experiment = {"type": "toys.Training", "algorithm": {"type": "toys.Averaging"}, "network": network, "seed": seed}
    provenance = {"precision": precision} if precision else {}
    (folder / "run.json").write_text(json.dumps({"provenance": provenance, "experiment": experiment}))
    rows = [(1, "train_loss", 9.0), (2, "train_loss", loss), (2, "digest", 7.0)]
    pd.DataFrame(rows, columns=["step", "metric", "value"]).to_parquet(folder / "frame.parquet")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for (precision, p), losses in LOSSES.items():
        for seed, loss in enumerate(losses):
            store(tmp_path, precision, p, seed, loss)
    return tmp_path


def test_last_values_are_compared_by_seed_where_both_precisions_have_them(results: Path) -> None:
    (row,) = effects(results).to_dict("records")
    assert (row["experiment"], row["precision"], row["metric"], row["seeds"]) == (
        "Training, Averaging", "bfloat16", "train_loss", 3,
    )  # fmt: skip
    assert row["float32"] == pytest.approx(2.0)
    assert row["difference"] == pytest.approx(0.1)
    off = 4.3027 * 0.1 / 3**0.5  # t of two degrees of freedom
    assert (row["low"], row["high"]) == pytest.approx((0.1 - off, 0.1 + off), abs=1e-4)


def test_experiments_are_named_by_what_tells_them_apart(results: Path) -> None:
    for seed in range(2):
        store(results, "float32", 0.1, seed, 4.0)
    found = effects(results, ["train_loss"])
    assert found["experiment"].tolist() == ["network.p 0.0", "network.p 0.1"]
    assert found["seeds"].tolist() == [3, 2]


def test_runs_that_do_not_say_their_precision_are_in_float32(tmp_path: Path) -> None:
    store(tmp_path, None, 0.0, 0, 1.0)
    store(tmp_path, "tf32", 0.0, 0, 1.5)
    (row,) = effects(tmp_path).to_dict("records")
    assert (row["precision"], row["difference"]) == ("tf32", pytest.approx(0.5))


def test_the_command_prints_it_and_says_what_is_missing(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["precision", str(results)]) == 0
    assert "train_loss  bfloat16      3        2         0.1" in capsys.readouterr().out
    assert main(["precision", str(results), "--metric", "train_loss", "--metric", "train_los"]) == 2
    said = f"no run in {results} has the metric train_los, only digest, train_loss\n"
    assert capsys.readouterr().err.endswith(said)
    assert main(["precision", str(results / "none")]) == 2
    assert "there are no finished runs" in capsys.readouterr().err


def test_another_step_size_is_no_twin(tmp_path: Path) -> None:
    store(tmp_path, "float32", 0.0, 0, 1.0)
    store(tmp_path, "bfloat16", 0.1, 0, 1.0)
    with pytest.raises(ReportError, match="no two runs"):
        effects(tmp_path)


@pytest.mark.parametrize("experiment", [{"type": "toys.Counting", "n": 4}, None])
def test_runs_without_a_seed_are_named_in_one_sentence(
    experiment: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store(tmp_path, "bfloat16", 0.0, 0, 1.0)
    (record,) = tmp_path.glob("runs/*/run.json")
    record.write_text(json.dumps({"provenance": {}, "experiment": experiment}))
    assert main(["precision", str(tmp_path)]) == 2
    assert "has no run with a seed" in capsys.readouterr().err
