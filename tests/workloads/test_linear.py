"""Linear problems and the LIBSVM files behind them."""

from __future__ import annotations

import bz2

import numpy as np
import pytest

from reproductions.workloads import libsvm, linear
from reproductions.workloads.base import DataError

GOOD = "1 1:0.5 3:-2\n\n-1 2:1e-3  # a comment\n"


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "bz2"])
def test_reads_plain_and_packed_files(tmp_path, packed):
    path = tmp_path / ("file.bz2" if packed else "file")
    path.write_bytes(bz2.compress(GOOD.encode()) if packed else GOOD.encode())
    table = libsvm.read(path, 4)
    np.testing.assert_array_equal(table.a, np.array([[0.5, 0, -2, 0], [0, 1e-3, 0, 0]], np.float32))
    assert table.y.tolist() == [1, -1]
    assert table.a.dtype == table.y.dtype == np.float32


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("1 1:x", "expected a number and then index:value pairs, found '1 1:x'"),
        ("1 1:", "expected a number and then index:value pairs"),
        ("one 1:2", "expected a number and then index:value pairs"),
        ("1 2:nan", "expected a number and then index:value pairs"),
        ("inf 2:1", "expected a number and then index:value pairs"),
        ("1 7", "expected a number and then index:value pairs"),
        ("1 5:2", "expected features 1 to 4, found feature 5"),
        ("1 0:2", "expected features 1 to 4, found feature 0"),
        ("1 3:2 2:1", "expected features in increasing order, each once"),
    ],
)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "bz2"])
def test_a_broken_line_is_named(tmp_path, line, complaint, packed):
    path = tmp_path / ("file.bz2" if packed else "file")
    text = f"{GOOD}{line}\n1 1:1\n".encode()
    path.write_bytes(bz2.compress(text) if packed else text)
    with pytest.raises(DataError, match=rf"{path.name}, line 4: {complaint}"):
        libsvm.read(path, 4)


def test_damaged_and_empty_files_are_named(tmp_path):
    (tmp_path / "cut.bz2").write_bytes(bz2.compress(GOOD.encode() * 50)[:40])
    with pytest.raises(DataError, match=r"cut.bz2"):
        libsvm.read(tmp_path / "cut.bz2", 4)
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(DataError, match="empty holds no sample"):
        libsvm.read(tmp_path / "empty", 4)


@pytest.mark.parametrize("workload", [linear.Year(), linear.Gisette()], ids=lambda workload: workload.name)
def test_loads_the_files_of_libsvm(tmp_path, workload):
    with pytest.raises(DataError, match=f"looked for {workload.files[0]} and .*no data folder was given"):
        workload.load(None)
    folder = tmp_path / "libsvm"
    folder.mkdir()
    (folder / workload.files[0]).write_text("1 1:1 90:2\n-1 1:3 90:2\n")
    with pytest.raises(DataError, match="was not found"):
        workload.checksum(tmp_path)
    (folder / f"{workload.files[1]}.bz2").write_bytes(bz2.compress(b"1 1:2\n"))
    task = workload.load(tmp_path)
    assert (task.train.a.shape, task.test.a.shape) == ((2, workload.d), (1, workload.d))
    assert task.label == workload.name
    assert workload.checksum(tmp_path) == workload.checksum(folder)


def test_years_are_standardised_by_the_training_part():
    train = libsvm.Table(np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([1990.0, 2010.0]))
    test = libsvm.Table(np.array([[5.0, 6.0]]), np.array([2000.0]))
    scaled, other = linear.standardised(train, test)
    np.testing.assert_array_equal(scaled.a, [[-1, 0], [1, 0]])
    np.testing.assert_array_equal(scaled.y, [-1, 1])
    np.testing.assert_array_equal(other.a, [[3, 1]])
    assert other.y[0] == 0


def test_synthetic_squares_are_those_of_the_paper():
    task = linear.SyntheticSquares().load()
    assert task.train.a.shape == (10_000, 32)
    optimum = np.linalg.lstsq(task.train.a, task.train.y, rcond=None)[0]
    models = np.array([optimum, optimum + 0.1, np.zeros(32)])
    expected = task.losses(models, task.train)
    np.testing.assert_allclose(task.excess(models), expected - expected[0], atol=1e-10)
    assert task.losses(models, task.test)[0] == pytest.approx(0.5, rel=0.15)  # the noise alone


@pytest.mark.parametrize(
    ("workload", "sizes"), [(linear.YearLike(), (20_000, 2_000)), (linear.DigitsGisette(), (289, 72))]
)
def test_stand_ins_are_embedded_and_can_be_learnt(workload, sizes):
    task = workload.load(None)
    assert (len(task.train.y), len(task.test.y)) == sizes
    assert workload.checksum(None) == ("synthetic" if workload.name.startswith("made") else "digits")
    zero = np.zeros((1, task.train.a.shape[1]))
    fitted = np.linalg.lstsq(task.train.a, task.train.y, rcond=0.05)[0][None]  # no noise of the many features
    assert task.losses(3 * fitted if task.loss == "logistic" else fitted, task.test) < 0.85 * task.losses(
        zero, task.test
    )


def test_stand_ins_have_the_published_shape():
    year, gisette = linear.YearLike().load(), linear.DigitsGisette().load()
    assert year.train.a.shape[1] == linear.Year.d
    best = np.linalg.lstsq(year.train.a, year.train.y, rcond=None)[0][None]
    assert 1 - 2 * year.losses(best, year.train)[0] == pytest.approx(0.24, abs=0.02)
    rows, features = gisette.train.a.shape
    assert features > rows == np.linalg.matrix_rank(gisette.train.a), "separable, whatever the labels"
    assert abs(gisette.train.a).max() <= 1


def test_logistic_loss_by_hand():
    task = linear.LinearTask("", *2 * [libsvm.Table(np.array([[2.0], [1.0]]), np.array([1.0, -1.0]))], "logistic")
    expected = (np.log(1 + np.exp(-6)) + np.log(1 + np.exp(3))) / 2
    assert task.losses(np.array([[3.0]]), task.train)[0] == pytest.approx(expected)
