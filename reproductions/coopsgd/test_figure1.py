"""Figure 1 and section 3.3: execution timelines, communication delay and idle time."""

from __future__ import annotations

import numpy as np

from algorithms.cooperative import CooperativeSGD, fully_synchronous, periodic_averaging
from algorithms.network import Link
from algorithms.streams import stream
from reproductions.coopsgd import setups, stragglers, times
from reproductions.coopsgd.lanes import chart, per_iteration
from reproductions.coopsgd.setups import TAU, M, timeline
from reproductions.coopsgd.stragglers import Times
from reproductions.coopsgd.timeline import Timeline
from reproductions.harness.decisions import Decision, all_of, close, exactly
from reproductions.harness.figures import FigureFolder
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import less, within
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider

PANELS = {
    "fully synchronous SGD": setups.SYNCHRONOUS,
    "PASGD, τ = 4": setups.PERIODIC,
    "D-PSGD, ring": setups.RING,
    "EASGD, τ = 4, blocking": setups.ELASTIC,
    "EASGD, τ = 4, non-blocking (thin: in the background)": setups.OVERLAPPED,
}


def experiments(settings: Settings) -> list[Timeline]:
    """Return one run of every panel, and those whose idle time is compared for all seeds."""
    panels = [timeline(algorithm, 0) for algorithm in PANELS.values()]
    compared = [timeline(a, seed) for a in (setups.SYNCHRONOUS, setups.PERIODIC) for seed in range(settings.seeds)]
    return list(dict.fromkeys([*panels, *compared]))


def of(runs: list[Run], algorithm: object) -> list[Run]:
    """Return the runs of an algorithm, by seed."""
    chosen = [run for run in runs if run.experiment.algorithm == algorithm]  # type: ignore[attr-defined]
    return sorted(chosen, key=lambda run: run.experiment.seed)  # type: ignore[attr-defined]


@decides("coopsgd-sec33-delay-tau")
def test_delay_is_tau_times_smaller(claim: Decider, runs: list[Run]) -> None:
    metrics = ("sent_messages", "sent_bytes", "busiest_messages", "busiest_bytes")
    synchronous, periodic = (of(runs, a)[0] for a in (setups.SYNCHRONOUS, setups.PERIODIC))
    counted = exactly([TAU * periodic.final(name) for name in metrics], [synchronous.final(name) for name in metrics])
    claim.decide(all_of(counted, _modelled()), f"1, tau = {TAU} on {M} ranks, up to 100 by the model", runs)


def _modelled() -> Decision:
    links = [Link(1e9), Link(np.inf, 1e-3), Link(1e9, 1e-3)]
    delays = [
        _delay(periodic_averaging(m, tau), link) * tau / _delay(fully_synchronous(m), link)
        for m in (4, 8)
        for tau in (2, 4, 15, 100)
        for link in links
    ]
    return close(delays, np.ones_like(delays), rtol=1e-12, atol=0)


def _delay(algorithm: CooperativeSGD, link: Link) -> float:
    return times.iteration_seconds(algorithm, times.VGG16, 0.0, link)


@decides("coopsgd-fig1-idle-time")
def test_idle_time_is_reduced(claim: Decider, runs: list[Run], figures: FigureFolder) -> None:
    drawn = [of(runs, algorithm)[0] for algorithm in PANELS.values()]
    figures.save("figure1", *chart(drawn, list(PANELS)))
    often, seldom = (of(runs, algorithm) for algorithm in (setups.SYNCHRONOUS, setups.PERIODIC))
    idle = [[per_iteration(run, "wait") for run in group] for group in (often, seldom)]
    model, decision = often[0].experiment.compute, _reduced(*idle)  # type: ignore[attr-defined]
    exact = [model.slowest(M, tau) / tau - model.shift - model.scale for tau in (1, TAU)]
    text = f"recorded {_ms(idle[0])} to {_ms(idle[1])} ms, expected {_ms(exact[:1])} to {_ms(exact[1:])} ms"
    claim.decide(all_of(decision, _strictly(exact), _simulated()), text, [*often, *seldom])


def _reduced(often: list[float], seldom: list[float]) -> Decision:
    """Decide, seed by seed, that the recorded idle time falls by at least a quarter."""
    return less(seldom, [0.75 * seconds for seconds in often])


def _strictly(expected: list[float]) -> Decision:
    return exactly([expected[1] < expected[0] * (1 - 1e-9)], [True])


def _simulated() -> Decision:
    """Decide the exact means for exponential times, and the order for a uniform and a heavy-tailed law."""
    draw = stream(0, "idle")
    c = draw.exponential(size=(20_000, TAU, M))
    others = [draw.random((20_000, TAU, M)), draw.pareto(1.5, (20_000, TAU, M))]
    errors = [_batched(_slowest(c, tau)) - stragglers.slowest_erlang(M, tau) / tau for tau in (1, TAU)]
    return all_of(
        *(within(error, -0.02, 0.02, confidence=0.99) for error in errors),
        *(less(_batched(_slowest(law, TAU)), _batched(_slowest(law, 1))) for law in others),
    )


def _slowest(c: Times, tau: int) -> Times:
    """Return max_i sum_tau c_i / tau of every sample, averaged over its periods."""
    samples, steps, m = c.shape
    slowest: Times = c.reshape(samples, steps // tau, tau, m).sum(axis=2).max(axis=2).mean(axis=1) / tau
    return slowest


def _batched(samples: Times) -> Times:
    means: Times = samples.reshape(20, -1).mean(axis=1)
    return means


def _ms(seconds: list[float]) -> str:
    return f"{1e3 * np.mean(seconds):.1f}"
