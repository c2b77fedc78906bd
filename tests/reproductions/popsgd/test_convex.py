"""The exact second moments behind figure 3, and experiments on the files of LIBSVM."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from algorithms import popsgd
from algorithms.streams import stream
from reproductions.harness.context import Context
from reproductions.popsgd import stationary
from reproductions.popsgd.grids import Constant, Search
from reproductions.workloads.linear import Gisette, Year
from tests.reproductions.lab import simulate

RULES = get_args(popsgd.Averaging)[:2]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_second_moments_are_those_of_algorithm_1_on_gaussian_rows(n):
    d, eta, rng = 6, 0.05, stream(0, "rows")
    nodes, s, mean = popsgd.population(np.zeros((n, d))), [], []

    def gradient(x, node, step):
        a = rng.standard_normal(d)
        return a * (a @ x - rng.standard_normal())

    for i, j in popsgd.interactions(popsgd.Complete(n), 0, 0, 12_000):
        popsgd.interact(nodes, int(i), int(j), gradient, popsgd.constant(eta))
        s.append((nodes.x**2).sum(axis=1).mean())
        mean.append((nodes.mean**2).sum())
    settled = slice(50 * n, None)
    assert np.mean(s[settled]) / 2 == pytest.approx(stationary.excess(n, d, eta), rel=0.12)
    assert np.mean(mean[settled]) / 2 == pytest.approx(stationary.mean_excess(n, d, eta), rel=0.12)


def test_second_moments_of_one_node_by_hand():
    assert stationary.excess(1, 32, 1e-3) == pytest.approx(0.5 * 1e-6 * 32 / (2e-3 - 34e-6))
    with pytest.raises(ValueError, match=r"bounded only if eta < 0\.05882"):
        stationary.moments(2, 32, 0.06)


def test_the_one_sided_rule_halves_the_learning_rate():
    """f(mu) - f* falls as exp(-2 eta k) in the steps k of a node by algorithm 1, as exp(-eta k) one-sided."""
    setting = Constant(eta=0.01, steps=200, looks=1)
    experiments = [replace(setting.run("", 16), seed=seed, averaging=rule) for rule in RULES for seed in range(4)]
    ends = [run.final("mean_excess") for run in simulate(experiments)]
    symmetric, one_sided = (np.mean(ends[4 * k : 4 * k + 4]) for k in range(2))
    assert one_sided / symmetric == pytest.approx(np.exp(2), rel=0.3)


@pytest.mark.parametrize("workload", [Year(), Gisette()], ids=lambda workload: workload.name)
def test_experiments_read_the_files_of_libsvm(tmp_path, workload):
    for name in workload.files:
        (tmp_path / name).write_text("1 1:0.5 7:1\n-1 2:-1 9:0.25\n-1 3:1\n")
    context = Context(data=tmp_path)
    Search(workload, 128, (0.01,), 8).run(10, 0.01).execute(context)
    assert context.notes["workload"] == workload.name
    assert np.isfinite([value for _, _, value in context.rows]).all()
