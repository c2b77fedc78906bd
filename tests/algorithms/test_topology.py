import networkx as nx
import numpy as np
import pytest

from algorithms import topology

GRAPHS = {
    "ring": topology.ring(7),
    "torus": topology.torus(3, 4),
    "thin torus": topology.torus(2, 5),
    "hypercube": topology.hypercube(4),
    "star": topology.star(6),
    "complete": topology.complete(5),
    "random": topology.random_regular(12, 3, seed=1),
    "path of letters": nx.path_graph(["a", "b", "c", "d"]),
    "one worker": topology.ring(1),
}


@pytest.mark.parametrize("graph", [*GRAPHS.values()], ids=[*GRAPHS])
def test_metropolis_is_a_mixing_matrix_on_the_edges_of_the_graph(graph):
    mixing = topology.metropolis(graph)
    topology.check_mixing(mixing, connected=True)
    assert (mixing >= 0).all()
    off_diagonal = mixing * (1 - np.eye(len(mixing)))
    np.testing.assert_array_equal(off_diagonal > 0, nx.to_numpy_array(graph) > 0)


@pytest.mark.parametrize("name", ["ring", "torus", "thin torus", "hypercube", "complete", "random", "one worker"])
def test_uniform_and_metropolis_agree_on_regular_graphs(name):
    graph = GRAPHS[name]
    np.testing.assert_allclose(topology.uniform(graph), topology.metropolis(graph), atol=1e-15)


@pytest.mark.parametrize("n", [3, 4, 7, 16, 33])
def test_ring_has_its_closed_form_spectrum(n):
    mixing = topology.uniform(topology.ring(n))
    eigenvalues = 1 / 3 + 2 / 3 * np.cos(2 * np.pi * np.arange(n) / n)
    np.testing.assert_allclose(np.linalg.eigvalsh(mixing), np.sort(eigenvalues), atol=1e-14)
    assert topology.zeta(mixing) == pytest.approx(np.abs(eigenvalues[1:]).max(), abs=1e-14)


def test_ring_of_seven_is_the_zeta_three_quarters_of_the_cooperative_sgd_paper():
    assert topology.zeta(topology.uniform(topology.ring(7))) == pytest.approx(0.7490, abs=5e-5)


@pytest.mark.parametrize("n", [1, 2, 5, 16])
def test_complete_graph_averages_in_one_round(n):
    mixing = topology.uniform(topology.complete(n))
    np.testing.assert_allclose(mixing, 1 / n)
    assert topology.spectral_gap(mixing) == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize("dim", [1, 2, 3, 5])
def test_hypercube_spectrum(dim):
    mixing = topology.uniform(topology.hypercube(dim))
    assert topology.zeta(mixing) == pytest.approx((dim - 1) / (dim + 1), abs=1e-14)
    assert nx.is_isomorphic(topology.hypercube(dim), nx.hypercube_graph(dim))


@pytest.mark.parametrize("n", [3, 6, 20])
def test_star_with_metropolis_weights(n):
    assert topology.zeta(topology.metropolis(topology.star(n))) == pytest.approx(1 - 1 / n, abs=1e-14)


@pytest.mark.parametrize(("rows", "cols"), [(3, 4), (5, 5), (3, 7)])
def test_torus_spectrum_and_numbering(rows, cols):
    mixing = topology.uniform(topology.torus(rows, cols))
    angles = np.add.outer(
        np.cos(2 * np.pi * np.arange(rows) / rows), np.cos(2 * np.pi * np.arange(cols) / cols)
    ).ravel()
    np.testing.assert_allclose(np.linalg.eigvalsh(mixing), np.sort((1 + 2 * angles) / 5), atol=1e-14)
    assert set(topology.torus(rows, cols)[0]) == {1, cols - 1, cols, (rows - 1) * cols}


def test_a_torus_of_one_row_is_a_ring():
    assert nx.is_isomorphic(topology.torus(1, 6), topology.ring(6))


def test_random_regular_is_keyed_by_its_seed():
    first, again, other = (topology.random_regular(20, 4, seed) for seed in (3, 3, 4))
    assert nx.utils.graphs_equal(first, again)
    assert not nx.utils.graphs_equal(first, other)
    assert {degree for _, degree in first.degree} == {4}


def test_lazy_moves_the_spectrum_to_the_positive_half():
    mixing = np.array([[0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_allclose(topology.lazy(mixing), 0.5)
    assert topology.zeta(mixing) == pytest.approx(1)
    assert topology.zeta(topology.lazy(mixing)) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("name", ["ring", "torus", "star"])
def test_zeta_is_the_second_largest_magnitude(name):
    mixing = topology.metropolis(GRAPHS[name])
    magnitudes = np.sort(np.abs(np.linalg.eigvals(mixing)))
    assert topology.zeta(mixing) == pytest.approx(magnitudes[-2], abs=1e-12)
    power = np.linalg.matrix_power(mixing, 5) - 1 / len(mixing)
    assert np.linalg.norm(power, 2) == pytest.approx(topology.zeta(mixing) ** 5, abs=1e-12)


def test_zeta_may_exceed_one_for_weights_that_diverge():
    alpha, m = 0.23, 8  # the elastic averaging matrix with too large an alpha
    mixing = np.diag([*[1 - alpha] * m, 1 - m * alpha])
    mixing[:m, m] = mixing[m, :m] = alpha
    assert topology.zeta(mixing) == pytest.approx(abs(1 - (m + 1) * alpha))


@pytest.mark.parametrize(
    ("mixing", "connected", "sentence"),
    [
        (np.ones((2, 3)), False, r"n x n .* shape is \(2, 3\)"),
        (np.ones(3), False, "n x n"),
        (np.zeros((0, 0)), False, "n >= 1"),
        (np.array([[0.5, 0.5], [0.4, 0.6]]), False, r"W\[0, 1\] is 0.5 but W\[1, 0\] is 0.4"),
        (np.array([[np.nan, 0.5], [0.5, 0.5]]), False, "nan"),
        (np.array([[0.5, 0.4], [0.4, 0.6]]), False, r"row 0 sums to 0.9"),
        (np.eye(3), True, "zeta is 1, .* disconnected"),
        (np.array([[0.0, 1.0], [1.0, 0.0]]), True, "oscillate"),
    ],
)
def test_what_is_not_a_mixing_matrix_is_named(mixing, connected, sentence):
    with pytest.raises(ValueError, match=sentence):
        topology.check_mixing(mixing, connected=connected)


def test_a_disconnected_graph_is_accepted_unless_it_must_be_connected():
    mixing = topology.uniform(nx.disjoint_union(topology.ring(3), topology.ring(3)))
    topology.check_mixing(mixing)
    assert topology.zeta(mixing) == pytest.approx(1)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: topology.uniform(topology.star(4)), "degrees go from 1 to 3: use metropolis"),
        (lambda: topology.metropolis(nx.DiGraph([(0, 1)])), "undirected"),
        (lambda: topology.metropolis(nx.Graph()), "at least one node"),
        (lambda: topology.ring(0), "n is 0"),
        (lambda: topology.torus(2, 0), "cols is 0"),
        (lambda: topology.hypercube(-1), "dim is -1"),
        (lambda: topology.random_regular(5, 3, seed=0), "5 workers of degree 3"),
        (lambda: topology.random_regular(4, 4, seed=0), "degree"),
    ],
)
def test_impossible_graphs_say_what_would_be_possible(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_self_loops_weights_and_parallel_edges_of_a_user_graph_do_not_count():
    graph = nx.MultiGraph([(0, 0), (0, 1), (0, 1), (1, 2), (2, 0)])
    nx.set_edge_attributes(graph, 7.0, "weight")
    np.testing.assert_allclose(topology.uniform(graph), 1 / 3)
