"""Figure 1 and section 3.3: execution timelines, communication delay and idle time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from algorithms.coopsgd.cooperative import CooperativeSGD, fully_synchronous, periodic_averaging
from algorithms.network import Link
from algorithms.streams import stream
from reproductions.coopsgd import stragglers, time_model
from reproductions.coopsgd.stragglers import Times
from reproductions.coopsgd.timeline import (
    ELASTIC,
    OVERLAPPED,
    PERIODIC,
    RING,
    SYNCHRONOUS,
    TAU,
    M,
    Timeline,
    timeline,
)
from reproductions.coopsgd.timeline_chart import chart, per_iteration, same_models
from reproductions.paper import (
    Decider,
    Decision,
    FigureFolder,
    Run,
    Runs,
    Settings,
    all_of,
    close,
    decides,
    exactly,
    less,
    within,
)

OFTEN, SELDOM = "fully synchronous SGD", "PASGD, τ = 4"
BLOCKING, BESIDE = "EASGD, τ = 4, blocking", "EASGD, τ = 4, non-blocking (thin: in the background)"
PANELS = {
    OFTEN: SYNCHRONOUS,
    SELDOM: PERIODIC,
    "D-PSGD, ring": RING,
    BLOCKING: ELASTIC,
    BESIDE: OVERLAPPED,
}
LINKS = (Link(1e9), Link(np.inf, 1e-3), Link(1e9, 1e-3))


def experiments(settings: Settings) -> dict[str, list[Timeline]]:
    """Return one run of every panel, and runs of all seeds of the two whose idle time is compared."""
    seeds = {name: settings.seeds if name in (OFTEN, SELDOM) else 1 for name in PANELS}
    return {name: [timeline(PANELS[name], seed) for seed in range(count)] for name, count in seeds.items()}


@decides("coopsgd-sec33-delay-tau")
def test_delay_is_tau_times_smaller(claim: Decider, runs: Runs[Timeline]) -> None:
    metrics = ("sent_messages", "sent_bytes", "busiest_messages", "busiest_bytes")
    synchronous, periodic = (runs[name][0] for name in (OFTEN, SELDOM))
    shares = [TAU * periodic.final(name) / synchronous.final(name) for name in metrics]
    modelled = [_relative_delay(m, tau, link) for m in (4, 8) for tau in (2, 4, 15, 100) for link in LINKS]
    decision = all_of(
        exactly(shares, np.ones_like(shares)), close(modelled, np.ones_like(modelled), rtol=1e-12, atol=0)
    )
    text = (
        f"{min(shares):g} to {max(shares):g} counted at tau = {TAU}, {min(modelled):g} to {max(modelled):g} on a link"
    )
    claim.decide(decision, text, runs=runs.only(OFTEN, SELDOM))


def _relative_delay(m: int, tau: int, link: Link) -> float:
    """Return tau times the seconds of communication per iteration of PASGD over those of fully synchronous SGD."""
    return tau * _delay(periodic_averaging(m, tau), link) / _delay(fully_synchronous(m), link)


def _delay(algorithm: CooperativeSGD, link: Link) -> float:
    return time_model.iteration_seconds(algorithm, algorithm.workers, time_model.VGG16, 0.0, link)


@decides("coopsgd-fig1-idle-time")
def test_idle_time_is_reduced(claim: Decider, runs: Runs[Timeline], figures: FigureFolder) -> None:
    figures.save("figure1", *chart([runs[name][0] for name in PANELS], list(PANELS)))
    idle = [_idle(runs[name]) for name in (OFTEN, SELDOM)]
    model = runs.experiment(OFTEN).compute
    exact = [model.slowest(M, tau) / tau - model.shift - model.scale for tau in (1, TAU)]
    text = f"recorded {_ms(idle[0])} to {_ms(idle[1])} ms, expected {_ms(exact[:1])} to {_ms(exact[1:])} ms"
    decision = all_of(_reduced(*idle), _strictly(exact), _simulated(), same_models(runs[BLOCKING], runs[BESIDE]))
    claim.decide(decision, text, runs=runs.only(OFTEN, SELDOM))


def _idle(runs: list[Run[Timeline]]) -> list[float]:
    return [per_iteration(run, "wait") for run in runs]


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
    near = [within(error, -0.02, 0.02, confidence=0.99, of="draws") for error in errors]
    return all_of(
        *(replace(decision, bands=()) for decision in near),  # bands of another quantity than the claim's
        *(less(_batched(_slowest(law, TAU)), _batched(_slowest(law, 1)), of="draws") for law in others),
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
