"""The constants that objectives state are the true ones: gradients by autograd, L, zeta and f* by maximisation."""

import math

import numpy as np
import pytest
import torch

from algorithms.streams import stream
from reproductions.workloads.objectives import Gaussian, Objective, Quadratic, Rare, Relative, Waves, pattern

N = 6
OBJECTIVES = [
    Quadratic(2.0, centre=0.7, tilt=0.4),
    Quadratic(-3.0, tilt=1.5, pattern="outlier"),
    Waves(1.5, centre=2.0, spread=0.8),
    Waves(1.0, centre=math.pi),
    Waves(0.5, centre=-1.0, spread=1.3, pattern="halves"),
]
POINTS = torch.linspace(-math.pi, math.pi, 20_001, dtype=torch.float64)


def local_gradients(objective: Objective) -> torch.Tensor:
    """Return grad f_i at all points, (n, points)."""
    return objective.gradients(POINTS.expand(N, -1), range(N), N)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_gradient_is_that_of_the_value(objective):
    x = torch.linspace(-2, 2, 7, dtype=torch.float64, requires_grad=True)
    objective.value(x, N).backward()
    torch.testing.assert_close(objective.gradient(x.detach(), N), x.grad)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_lipschitz_constant_is_the_largest_slope_of_a_gradient(objective):
    slopes = local_gradients(objective).diff(dim=1) / POINTS.diff()
    assert slopes.abs().max().item() == pytest.approx(objective.constants(N, 1).lipschitz, rel=1e-6)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_zeta_is_the_largest_dissimilarity(objective):
    gradients = local_gradients(objective)
    largest = (gradients - gradients.mean(dim=0)).square().mean(dim=0).max().sqrt().item()
    zeta = objective.constants(N, 1).zeta
    assert zeta == pytest.approx(largest, rel=1e-6, abs=1e-15)
    assert objective.constants(N, 9).zeta == pytest.approx(3 * zeta)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_gap_is_the_fall_from_the_start_to_the_minimum(objective):
    start = objective.value(torch.zeros(1, dtype=torch.float64), N).item()
    lowest = min(objective.value(x, N).item() for x in POINTS[::10, None])
    gap = objective.constants(N, 1).gap
    if gap == math.inf:
        assert objective.value(torch.tensor([1e3], dtype=torch.float64), N) < lowest
    else:
        assert gap == pytest.approx(start - lowest, abs=1e-5)
        assert objective.constants(N, 3).gap == pytest.approx(3 * gap)


def test_rows_belong_to_the_workers_named():
    objective = Quadratic(1.0, tilt=1.0)
    x = torch.zeros(2, 1, dtype=torch.float64)
    assert objective.gradients(x, [3, 0], N).flatten().tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("name", ["halves", "outlier"])
def test_patterns_have_mean_zero_and_mean_square_one(name):
    w = pattern(name, N)
    assert w.mean() == pytest.approx(0, abs=1e-15)
    assert (w**2).mean() == pytest.approx(1)


@pytest.mark.parametrize(("name", "n"), [("halves", 3), ("outlier", 1), ("thirds", 6)])
def test_an_impossible_pattern_is_refused(name, n):
    with pytest.raises(ValueError, match=f"no pattern '{name}' for {n} workers"):
        pattern(name, n)


@pytest.mark.parametrize("noise", [Gaussian(0.3), Rare(0.3, probability=0.02)], ids=str)
def test_noise_has_mean_zero_and_the_stated_deviation(noise):
    draws = noise.sample(stream(0, "noise"), 1_000_000)
    # standard errors: 0.3e-3 of the mean; of the variance, the rare noise's kurtosis is 1/q + 1/(1-q) - 3 + 3 = 50
    assert abs(draws.mean()) < 5 * 0.3 / 1e3
    assert (draws**2).mean() == pytest.approx(0.09, rel=5 * math.sqrt(50) / 1e3)
    assert noise.sigma(16) == pytest.approx(1.2)


def test_rare_noise_is_exactly_centred_and_skewed():
    noise = Rare(2.0, probability=0.1)
    kick, push = np.sort(np.unique(noise.sample(stream(1, "noise"), 1000)))[::-1]
    assert 0.1 * kick + 0.9 * push == pytest.approx(0, abs=1e-15)
    assert 0.1 * kick**2 + 0.9 * push**2 == pytest.approx(4)
    assert kick == pytest.approx(6)


def test_relative_noise_grows_with_the_gradient():
    gradient = np.repeat([0.0, 3.0, -1.0], 100_000)
    noise = Relative(0.5, beta=4.0).stochastic(stream(0, "noise"), gradient) - gradient
    for part, exact in zip(np.split(noise, 3), (0.0, 3.0, -1.0), strict=True):
        assert part.mean() == pytest.approx(0, abs=0.08)
        assert part.var() == pytest.approx(4 * exact**2 + 0.25, rel=0.03)
