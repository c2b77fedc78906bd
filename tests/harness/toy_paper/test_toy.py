import os
import sys

from reproductions.harness.plugin import decides
from reproductions.harness.verdicts.statistics import within
from tests.harness.toy_experiments import Toy

MARKS = os.environ["TOY_MARKS"]


def experiments(settings):
    return {"toy": [Toy(MARKS, 1.0, seed) for seed in range(settings.seeds)]}


def losses(runs):
    return runs.final("loss", "toy")


@decides("toy-number", "toy-order", "toy-deviates", "toy-known", "toy-outdated")
def test_number(claim, runs):
    value = claim.claim.value
    claim.decide(within(losses(runs), value - 0.1, value + 0.1), runs=runs)


@decides("toy-erratum")
def test_erratum(claim, runs):
    claim.decide_erratum(within(losses(runs), 1.9, 2.1), within(losses(runs), 0.9, 1.1), runs=runs)


@decides("toy-missing")
def test_missing(claim):
    claim.not_run("needs a bigger toy")


@decides("toy-few")
def test_few(claim, runs):
    claim.decide(within(losses(runs)[:2], 0.9, 1.1), runs=runs["toy"][:2])


@decides("toy-broken")
def test_broken(claim, run):
    run([Toy(MARKS, 1.0, 0, fault="raise")])


@decides("toy-vanished")
def test_vanished(claim, runs):
    runs.all[0].final("accuracy")


@decides("toy-undecided")
def test_undecided(claim):
    pass


def test_mpi_stays_out_of_this_process(runs):
    assert "mpi4py.MPI" not in sys.modules
