"""Experiments on linear models: the one-sided rule, and the files of LIBSVM."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from algorithms.popsgd import population
from reproductions.harness.runs.context import Context
from reproductions.popsgd.recipes import Constant, Search
from reproductions.workloads.linear import Gisette, Year
from tests.reproductions.lab import simulate

RULES = get_args(population.Averaging)[:2]


def test_the_one_sided_rule_halves_the_learning_rate():
    """f(mu) - f* falls as exp(-2 eta k) in the steps k of a node by algorithm 1, as exp(-eta k) one-sided."""
    setting = Constant(eta=0.01, steps=200, looks=1)
    experiments = [replace(setting.run(16), seed=seed, averaging=rule) for rule in RULES for seed in range(4)]
    ends = [run.final("mean_excess") for run in simulate(experiments)]
    symmetric, one_sided = (np.mean(ends[4 * k : 4 * k + 4]) for k in range(2))
    assert one_sided / symmetric == pytest.approx(np.exp(2), rel=0.3)


def test_estimates_know_how_many_features_there_are():
    year, gisette = (Search(workload, 128, (0.01,), 40).run(10_000, 0.01).cost for workload in (Year(), Gisette()))
    assert gisette / year == pytest.approx(5000 / 90, rel=0.05)


@pytest.mark.parametrize("workload", [Year(), Gisette()], ids=lambda workload: workload.name)
def test_experiments_read_the_files_of_libsvm(tmp_path, workload):
    for name in workload.files:
        (tmp_path / name).write_text("1 1:0.5 7:1\n-1 2:-1 9:0.25\n-1 3:1\n")
    context = Context(data=tmp_path)
    Search(workload, 128, (0.01,), 8).run(10, 0.01).execute(context)
    assert context.notes["workload"] == workload.name
    assert np.isfinite([value for _, _, value in context.rows]).all()
