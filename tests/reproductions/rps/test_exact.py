from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from reproductions.rps import exact
from reproductions.rps.exact import alpha1, alpha2, beta, enumerate_moments, mixing_matrix, self_weight

GRID = [0.01, 0.05, 0.1, 0.2, 0.5]


def enumerated(n, p):
    """Return a, alpha1 and alpha2 by another derivation than the module's, with 60 digits."""
    p, q = Decimal(p), 1 - Decimal(p)
    owners_share = (1 - p**n) / (n * q)
    receivers = 1 + (n - 1) * q
    receivers_squared = receivers**2 + (n - 1) * p * q
    squared_row_sums = owners_share * receivers_squared + (n - 1) * p
    squared_row_sums += 2 * (1 - owners_share) * (n * receivers - receivers_squared) / (n - 1)
    return (
        p * (owners_share + n - 2) / (n - 1),
        (receivers * owners_share + (n - 1) * p - 1) / (n - 1),
        (squared_row_sums / n - 1) / (n - 1),
    )


@pytest.mark.parametrize("n", [2, 3, 4, 5])
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_lemmas_6_7_8_against_enumeration(n, p):
    moments = enumerate_moments(n, p)
    for matrix, weight in zip(moments, (self_weight(n, p), alpha1(n, p), alpha2(n, p)), strict=True):
        np.testing.assert_allclose(matrix, weight * np.eye(n) + (1 - weight) / n, rtol=0, atol=1e-14)


def test_contraction_of_equation_22():
    second, averaged = enumerate_moments(3, 0.2)[1:]
    np.testing.assert_allclose(second - averaged, beta(3, 0.2) * (np.eye(3) - 1 / 3), atol=1e-14)


@pytest.mark.parametrize("p", [1e-12, 1e-6, 0.1, 0.5, 0.9, 0.999, 1 - 1e-6, 1 - 1e-12])
def test_closed_forms_keep_full_relative_precision(p):
    for n in (2, 3, 16, 100, 4096):
        with localcontext(prec=60):
            want = enumerated(n, p)
        got = self_weight(n, p), alpha1(n, p), alpha2(n, p), beta(n, p)
        for value, reference in zip(got, (*want, want[1] - want[2]), strict=True):
            assert abs(Decimal(float(value)) / reference - 1) < 2e-15


def test_limits_of_a_perfect_and_of_a_dead_network():
    n = np.array([2, 3, 16, 4096])
    for value, dead in ((self_weight, 1), (alpha1, 1), (alpha2, 0), (beta, 1)):
        np.testing.assert_array_equal(value(n, 0.0), 0)
        np.testing.assert_array_equal(value(n, 1.0), dead)
    assert alpha1(n[:, None], np.array([0.1, 0.2, 1.0])).shape == (4, 3)


@pytest.mark.parametrize(
    ("n", "first", "second"),
    [
        (2, [0.01495, 0.07375, 0.145, 0.28, 0.625], [0.012375, 0.059375, 0.1125, 0.2, 0.3125]),
        (3, [0.011683, 0.058708, 0.118, 0.237333, 0.583333], [0.007183, 0.035071, 0.0678, 0.1248, 0.208333]),
        (4, [0.010842, 0.054384, 0.109225, 0.220267, 0.557292], [0.005173, 0.025151, 0.048488, 0.089333, 0.153646]),
    ],
)
def test_known_values(n, first, second):
    np.testing.assert_allclose(alpha1(n, GRID), first, atol=5e-7)
    np.testing.assert_allclose(alpha2(n, GRID), second, atol=5e-7)


@pytest.mark.parametrize(
    ("n", "first", "second"),
    [
        (2, [0.0001, 0.0025, 0.01, 0.04, 0.25], [0.519726, 0.593219, 0.67325, 0.796, 0.90625]),
        (3, [0.032324, 0.158062, 0.307, 0.576, 1.125], [0.364684, 0.483842, 0.619033, 0.844978, 1.173611]),
        (4, [0.024553, 0.124641, 0.2527, 0.510756, 1.159722], [0.273193, 0.363245, 0.470011, 0.664907, 1.059245]),
    ],
)
def test_printed_formulas(n, first, second):
    np.testing.assert_allclose(exact.printed_alpha1(n, GRID), first, atol=5e-7)
    np.testing.assert_allclose(exact.printed_alpha2(n, GRID), second, atol=5e-7)


@pytest.mark.parametrize(
    ("n", "p"), [*product([2, 3, 7, 20], [Fraction(1, 1000), Fraction(1, 3), Fraction(999, 1000)])]
)
def test_printed_formulas_letter_by_letter(n, p):
    q = 1 - p
    t1 = 2 * (1 - p ** (n + 1) - (n + 1) * q * p**n - (n + 1) * n * q**2 * p ** (n - 1) / 2 - q ** (n + 1))
    t1 /= n * (n + 1) * q**2
    t2 = (1 - p**n - n * q * p ** (n - 1) - q**n) / ((n - 1) * q)
    first = (n * p + q**n + n * t1 + n * t2 - 1) / (n - 1)
    assert float(exact.printed_alpha1(n, float(p))) == pytest.approx(float(first), rel=1e-10)
    for of_proof, factor in ((False, Fraction(n, n - 1)), (True, Fraction(n - 1, n))):
        t3 = factor * (1 - p ** (n - 1) - q ** (n - 1)) + q ** (n - 1)
        second = (p * (1 + 2 * t3) + q ** (n - 1)) / n + 2 * p * q**n / n + p**n * q / Fraction(n) ** 2 + t1 + t2
        got = exact.printed_alpha2(n, float(p), t3_of_proof=of_proof)
        assert float(got) == pytest.approx(float(second), rel=1e-12)


def test_t3_of_the_statement_bounds_the_owners_view_of_another_worker():
    n, p = (
        5,
        0.3,
    )  # E[W_1n | owner n, 1 gets nothing] = T_3/n is printed; the factor n/(n-1) follows from the sum above it
    m = np.arange(n - 1)
    chance = np.array([1, 3, 3, 1]) * (1 - p) ** (m + 1) * p ** (n - 2 - m)
    bounded = np.where(m == n - 2, 1 / n, 1 / (m + 1))
    t3 = n / (n - 1) * (1 - p ** (n - 1) - (1 - p) ** (n - 1)) + (1 - p) ** (n - 1)
    assert (chance * bounded).sum() == pytest.approx(t3 / n)


def test_printed_lemmas_against_the_exact_values():
    n, p = np.arange(2, 65)[:, None], np.linspace(0.001, 0.999, 999)
    excess = exact.printed_alpha1(n, p) - alpha1(n, p)
    assert (excess[0] < 0).all()
    assert (excess[1:] > 0).all()
    for t3_of_proof in (False, True):
        assert (exact.printed_alpha2(n, p, t3_of_proof=t3_of_proof) > alpha2(n, p)).all()
    np.testing.assert_allclose(exact.printed_alpha2(n[:, 0], 1e-12), 1 / n[:, 0], atol=1e-9)
    np.testing.assert_allclose(exact.printed_alpha1(n[:, 0], 1.0), 1)


def test_ordering_and_orders_of_the_coefficients():
    n, p = np.arange(2, 257)[:, None], np.linspace(0.001, 0.999, 999)
    first, second = alpha1(n, p), alpha2(n, p)
    assert (second > 0).all()
    assert (second < first).all()
    assert (first < 1).all()
    ratio = second * n / (p * (1 - p))
    assert ratio.min() > 2
    assert ratio.max() < 3 - np.exp(-1)
    assert 1 < ((first - second) / p).max() < 1.0077
    assert (np.diff(first - second, axis=1) > 0).all()


def test_a_fixed_owner_breaks_equation_5_but_keeps_its_trace():
    fixed, redrawn = enumerate_moments(3, 0.2, owner=0).second, enumerate_moments(3, 0.2).second
    assert np.ptp(np.diag(redrawn)) < 1e-15
    assert fixed[0, 1] - fixed[1, 2] == pytest.approx(0.104)
    assert fixed[0, 0] - fixed[1, 1] == pytest.approx(0.008)
    assert np.trace(fixed) == pytest.approx(np.trace(redrawn))
    rotations = [np.roll(fixed, (i, i), axis=(0, 1)) for i in range(3)]
    np.testing.assert_allclose(np.mean(rotations, axis=0), redrawn)


def test_columns_of_a_mixing_matrix_are_what_workers_receive():
    mixing = mixing_matrix(1, sent=[True, False, False, True], received=[False, False, True, True])
    third = 1 / 3
    want = [[1, third, third, third], [0, third, third, third], [0, 0, 0, 0], [0, third, third, third]]
    np.testing.assert_allclose(mixing, want)
    np.testing.assert_allclose(mixing.sum(axis=0), 1)


def test_the_owners_own_entries_do_not_count_and_inputs_stay_as_they_are():
    sent, received = np.zeros(3, dtype=bool), np.zeros(3, dtype=bool)
    np.testing.assert_array_equal(mixing_matrix(2, sent, received), np.eye(3))
    assert not sent.any()
    assert not received.any()


def test_moments_of_sampled_matrices():
    rng, n, p, trials = np.random.default_rng(5), 6, 0.3, 20_000
    draws = rng.random((trials, 2, n)) >= p
    matrices = np.array([mixing_matrix(b, *d) for b, d in zip(rng.integers(n, size=trials), draws, strict=True)])
    norms = np.square(matrices).sum(axis=(1, 2))
    sums = np.square(matrices.sum(axis=2)).sum(axis=1) / n
    for samples, weight in ((norms, alpha1(n, p)), (sums, alpha2(n, p))):
        error = samples.std() / np.sqrt(trials)
        assert abs(samples.mean() - (1 + (n - 1) * weight)) < 4 * error


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: alpha1(1, 0.1), "n is 1"),
        (lambda: alpha2(2.5, 0.1), "n is 2.5"),
        (lambda: beta(4, 1.1), "p is 1.1"),
        (lambda: self_weight(4, np.nan), "p is nan"),
        (lambda: enumerate_moments(6, 0.1), "n <= 5"),
        (lambda: enumerate_moments(3, 0.1, owner=3), "worker 3"),
        (lambda: mixing_matrix(0, [True], [True, True]), "shapes"),
        (lambda: mixing_matrix(-1, [True, True], [True, True]), "worker -1"),
    ],
)
def test_bad_input_is_named(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
