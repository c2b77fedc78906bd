from dataclasses import replace

import numpy as np
import pytest
import torch

from algorithms.schedule import StepDecay
from algorithms.streams import torch_seed
from reproductions.popsgd.partitions import Partitions, updates_per_model
from reproductions.popsgd.recipes import ONE_SIDED, SYMMETRIC, data_parallel, local_sgd
from reproductions.popsgd.training import NodeTraining
from reproductions.workloads.digits import Digits
from tests.reproductions.lab import simulate

BASE = NodeTraining(SYMMETRIC, Digits("mlp"), StepDecay(0.3, milestones=(0.5,)), 1, 8, 20, 10, seed=3, momentum=0.9)


@pytest.mark.parametrize("method", [SYMMETRIC, ONE_SIDED, data_parallel(1), local_sgd(1, 5)])
def test_a_single_node_is_sequential_sgd(method: object) -> None:
    (run,) = simulate([replace(BASE, method=method)])  # type: ignore[arg-type]
    task = Digits("mlp").load(None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(3, "init"))
        model = task.model()
    dealt = Partitions(task.train_size, 8, 1, 3)
    velocity = [torch.zeros_like(p) for p in model.parameters()]
    for step in range(20):
        x, y = task.batch(dealt.minibatch(0, step), 3, 0, step)
        model.zero_grad()
        task.loss(model(x), y).backward()
        with torch.no_grad():
            for p, v in zip(model.parameters(), velocity, strict=True):
                v.mul_(0.9).add_(p.grad)
                p.sub_(v * (0.3 if step < 10 else 0.03))
    assert run.final("train_loss") == pytest.approx(task.training_loss(model), rel=1e-5)
    assert run.final("own_steps") == 20


def test_data_parallel_nodes_agree_and_populations_do_not() -> None:
    four = replace(BASE, nodes=4, momentum=0.0)
    runs = simulate([replace(four, method=m) for m in (data_parallel(4), local_sgd(4, 10), SYMMETRIC, ONE_SIDED)])
    potentials = [run.series("potential").to_numpy() for run in runs]
    assert potentials[0].max() < 1e-9
    assert potentials[1].max() < 1e-9  # measured right after averaging
    assert min(potentials[2].min(), potentials[3].min()) > 1e-6
    assert {run.final("train_error") + run.final("train_accuracy") for run in runs} == {1.0}


def test_steps_per_model_are_equal_on_average() -> None:
    steps = [
        run.final("own_steps") for run in simulate([replace(BASE, nodes=4, seed=s, momentum=0.0) for s in range(8)])
    ]
    assert np.mean(steps) == pytest.approx(20, abs=4)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="n is 5, but n/2 partitions for exactly 2 nodes"):
        Partitions(100, 4, 5, 0)
    with pytest.raises(ValueError, match="partitions of 25 samples need 1 <= batch"):
        Partitions(100, 26, 8, 0)
    with pytest.raises(ValueError, match="mult >= 1, not 4 and 0"):
        Partitions(100, 4, 8, 0, mult=0)
    with pytest.raises(ValueError, match="90 epochs divided by n = 32"):
        updates_per_model(1000, 4, 90, 32, 4)
    with pytest.raises(ValueError, match="every 7 steps do not end at 20"):
        replace(BASE, every=7)
