"""Wrong transports that must turn the reproduction over datagrams red, with losses made here in place of a kernel's."""

from collections.abc import Callable

import pytest

from algorithms.rps.datagrams import Datagrams, _Arrival, parts
from reproductions.harness.runs import real_links
from reproductions.paper import Runs
from reproductions.rps import datagrams, test_datagrams
from reproductions.rps.datagrams import DatagramMixing
from tests.algorithms.rps import test_datagrams as sockets
from tests.reproductions.lab import simulate

Patch = pytest.MonkeyPatch
CHECKS = (
    test_datagrams.test_blocks_are_lost_as_often_as_their_datagrams_say,
    test_datagrams.test_moments_are_those_of_the_lemmas_at_the_measured_loss,
    test_datagrams.test_every_average_is_of_whole_blocks_of_its_own_step,
)


class LossyAndLate(sockets.Lossy):
    """Loses a tenth of the datagrams and holds back a fifth until later."""

    held_every = 5


def mixing(monkeypatch: Patch, transport: type[Datagrams]) -> Runs[DatagramMixing]:
    """Return the runs of the reproduction on one host, without a kernel that loses anything."""
    monkeypatch.setattr(real_links, "lose", lambda hosts, probability: None)
    monkeypatch.setattr(real_links, "address", lambda host: "127.0.0.1")
    monkeypatch.setattr(datagrams, "Datagrams", transport)
    return simulate({sockets.LOSS: [DatagramMixing(4, sockets.LOSS, 150, seed=1)]})


def red(runs: Runs[DatagramMixing]) -> list[Callable[[Runs[DatagramMixing]], None]]:
    found = []
    for check in CHECKS:
        try:
            check(runs)
        except (AssertionError, ValueError):  # the latter of what a missing part left in a block, where it is infinite
            found.append(check)
    return found


def test_the_right_transport_is_green(monkeypatch: Patch) -> None:
    assert red(mixing(monkeypatch, sockets.Lossy)) == []


def test_a_block_that_counts_although_a_part_is_missing_turns_it_red(monkeypatch: Patch) -> None:
    some = property(lambda self: len(self.missing) < len(parts(len(self.content), self.payload)))
    monkeypatch.setattr(_Arrival, "complete", some)
    assert CHECKS[2] in red(mixing(monkeypatch, sockets.Lossy))


def test_late_data_that_is_accepted_turns_it_red(monkeypatch: Patch) -> None:
    assert CHECKS[2] not in red(mixing(monkeypatch, LossyAndLate))  # dropped, it only adds to the losses
    monkeypatch.setattr(Datagrams, "_take_in", sockets.careless)
    assert CHECKS[2] in red(mixing(monkeypatch, LossyAndLate))
