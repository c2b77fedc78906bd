"""Section 4.3 and Appendix D: Theorem 1, its step-size conditions and Remark 1."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, product
from math import inf, sin
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from algorithms import cooperative as co
from reproductions.coopsgd import bounds, problems, worst
from reproductions.coopsgd.bounds import Setting
from reproductions.coopsgd.exact import Array, Quadratic, expected, floor
from reproductions.coopsgd.problems import MEMBERS, RING8, complete, descent
from reproductions.harness.decisions import Decision, all_of, close, exactly, searched
from reproductions.harness.descent import Descent, by_setting, repeat
from reproductions.harness.figures import COLOURS, FigureFolder, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import at_most_one, within
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.workloads.objectives import Rare, Waves

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Groups = dict[Descent, list[Run]]

ALTERNATIVE = {
    "EASGD by (4), (5)": co.elastic_averaging(8, 0.2),
    "D-PSGD by (6)": co.decentralized(RING8),
    "W = J": complete(4, 0.0, alternative=True),
}
MANY, CROWD = 32, "32 workers, W = J"  # so many that the second term of (17) is small
KICKED = (Waves(1.0, centre=0.0), Rare(4.0, probability=0.2))  # starts at the minimum, with skewed noise
TAUS, ZETAS = (1, 2, 4, 16, 100), (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.9999)


def experiments(settings: Settings) -> list[Descent]:
    """Return the grid of Theorem 1, runs with beta > 0 and runs by the alternative rule."""
    longer = problems.LONGER[settings.scale]
    drafts = []
    for name, member in ALTERNATIVE.items():
        eta = 0.98 * bounds.eq16(bounds.setting(member, 3.0)).largest
        drafts.append(descent(f"{name} on waves", member, problems.PROBLEMS["waves"], eta, 16 * longer, d=64))
    crowd = complete(MANY, 0.0, alternative=True)
    eta = 0.98 * bounds.eq16(bounds.setting(crowd)).largest
    drafts.append(descent(CROWD, crowd, KICKED, eta, 32 * longer, d=16))
    extra = [run for draft in drafts for run in repeat(draft, settings.seeds)]
    return [*problems.grid(settings), *problems.noisier(settings), *extra]


@decides("coopsgd-theorem1-bound")
def test_theorem1(claim: Decider, runs: list[Run], figures: FigureFolder) -> None:
    groups = by_setting(runs, Descent, *_roles(problems.PROBLEMS))
    _draw(groups, figures)
    simulated = at_most_one(_all_ratios(groups))
    ratios = [r.theorem for r in worst.quadratics(bounds.eq16)]
    exact = searched(ratios, "quadratics, eta to the edge of (16), K to 2^18")
    text = f"{simulated.interval.estimate:.3f} of the bound in runs, {exact.interval.estimate:.3f} on quadratics"
    claim.decide(all_of(simulated, exact, _climbed(0.0)), text, runs)


@decides("coopsgd-eq138-lr-beta")
def test_noise_that_grows_with_the_gradient(claim: Decider, runs: list[Run]) -> None:
    simulated = at_most_one(_all_ratios(by_setting(runs, Descent, *_roles(problems.NOISIER))))
    found = {beta: [r.theorem for r in worst.quadratics(bounds.eq138, beta)] for beta in (0.0, 4.0)}
    exact = [searched(ratios, f"quadratics, beta = {b:g}, eta to the edge of (138)") for b, ratios in found.items()]
    text = "{:.3f} of the bound on quadratics with beta = 0, {:.3f} with beta = 4".format(*map(max, found.values()))
    claim.decide(all_of(simulated, *exact, _climbed(4.0)), text, runs)


@decides("coopsgd-eq16-lr-condition")
def test_step_size(claim: Decider) -> None:
    sizes = ((1, 0), (8, 0), (8, 1), (2, 6))
    settings = [Setting(m, v, tau, z, 2.0) for (m, v), tau, z in product(sizes, TAUS, ZETAS)]
    conditions = [bounds.eq138(s)(bounds.eq16(s).largest) for s in settings]
    implied = searched(conditions, "(138) with beta = 0 at the edge of (16)")
    largest = bounds.bracket(*np.meshgrid([1, 2, 4, 16, 1e3, 1e6], np.linspace(0, 1, 10_001))).max()
    below = searched([largest / 5], "the bracket of (141) over 5")
    exact = searched([r.theorem for r in worst.quadratics(bounds.eq16)], "(17) at the edge of (16)")
    beyond = exactly([_synchronous_with_beta(4.0) > 1], [True])
    claim.decide(all_of(implied, below, exact, beyond), f"the bracket is at most {largest:.4f}")


@decides("coopsgd-eq18-error-floor")
def test_floor(claim: Decider) -> None:
    limits, ratios = [], []
    for algorithm, h, share in product(worst.FAMILY, (0.1, 1.0), (0.1, 1.0)):
        s = bounds.setting(algorithm, gap=1.0)
        eta = share * bounds.eq16(s).largest
        limits.append(bounds.theorem1(s, eta, 1e18) / bounds.theorem1(s, eta, inf))
        ratios.append(floor(algorithm, eta, Quadratic(h, start=1.0)).gradient / bounds.theorem1(s, eta))
    exact = searched(ratios, "floors on quadratics, the last half of 2^21 periods")
    limit = close(limits, np.ones(len(limits)), rtol=0, atol=1e-9)
    claim.decide(all_of(limit, exact), f"exact floors up to {exact.interval.estimate:.3f} of (18)")


@decides("coopsgd-remark1-alternative")
def test_alternative_rule(claim: Decider, runs: list[Run]) -> None:
    groups = by_setting(runs, Descent, *(f"{name} on waves" for name in ALTERNATIVE), CROWD)
    ((crowd, kicked),) = by_setting(runs, Descent, CROWD).items()
    second_half = 2 * problems.measured(kicked, "gradient", crowd.steps) - problems.measured(
        kicked, "gradient", crowd.steps // 2
    )
    # by hand, for many workers: u rests where the mean of sin(u - eta xi) is 0
    by_hand = sin(_rest(problems.eta(crowd))) ** 2 * crowd.d
    twice = within(second_half / by_hand, 0.75, 1.25)
    printed = at_most_one([_ratios(crowd, kicked, crowd.steps)])
    violated = exactly([printed.outcome == "fails"], [True])
    extended = at_most_one(_all_ratios(groups, alternative=True))
    exact = searched(
        [r.theorem for r in worst.quadratics(bounds.eq16, alternative=True)], "quadratics by the alternative rule"
    )
    text = f"+1: {extended.interval.estimate:.3f} of the bound; -1 as in (17): {printed.interval.estimate:.2f}"
    claim.decide(all_of(extended, exact, twice, _flat_alternative(), violated), text, [*chain(*groups.values())])


# ---------------------------------------------------------------------------------------------------- measurement


def _roles(names: Iterable[str]) -> list[str]:
    return [f"{member} on {problem}" for member, problem in product(MEMBERS, names)]


def _ratios(run: Descent, group: list[Run], steps: int, alternative: bool = False) -> Array:
    bound = bounds.theorem1(problems.setting(run), problems.eta(run), steps, alternative=alternative)
    ratios: Array = problems.measured(group, "gradient", steps) / bound
    return ratios


def _all_ratios(groups: Groups, alternative: bool = False) -> list[Array]:
    return [_ratios(run, group, k, alternative) for run, group in groups.items() for k in problems.whole_periods(run)]


def _synchronous_with_beta(beta: float) -> float:
    """Return the exact ratio to (17) of two synchronous workers on a quadratic at the edge of (16), with beta > 0."""
    algorithm = co.fully_synchronous(2)
    s = bounds.setting(algorithm)
    eta = bounds.eq16(s).largest
    return expected(algorithm, eta, Quadratic(1.0, beta=beta), 1 << 16).gradient / bounds.theorem1(s, eta, 1 << 16)


def _climbed(beta: float) -> Decision:
    """Search objectives that are not quadratic, from the same starts on every machine."""
    climbs = [worst.climb(algorithm, 4, beta, starts=2, moves=120) for algorithm in worst.SMALL.values()]
    return searched([r.theorem for climb in climbs for r in climb], "objectives that are not quadratic, edge of (138)")


def _rest(eta: float) -> float:
    """Return where the smoothed gradient E sin(u - eta xi) of `KICKED` vanishes."""
    noise = KICKED[1]
    assert isinstance(noise, Rare)
    q = noise.probability
    odds = np.sqrt((1 - q) / q)
    values = noise.deviation * np.array([odds, -1 / odds])
    return float(-np.angle(np.exp(-1j * eta * values) @ [q, 1 - q]))


def _flat_alternative() -> Decision:
    """Decide that twice the disagreement by the alternative rule is within the bound on T_1 with + 1."""
    ratios = []
    for m, z, tau in product((2, 8), (0.0, 0.5, 0.9), (1, 4)):
        found = expected(complete(m, z, tau=tau, alternative=True), 1.0, Quadratic(0.0), tau << 16).consensus
        ratios.append(2 * found / m / float(bounds.alternative_error(tau, z)))
    return searched(ratios, "twice the disagreement on a flat objective, alternative rule")


# --------------------------------------------------------------------------------------------------------- figure


def _draw(groups: Groups, figures: FigureFolder) -> None:
    """Draw the bound over what is measured: against eta for a bowl, against K for all."""
    figure, (left, right) = panels(2, width=4.8, height=3.6)
    frames = [_against_eta(left, groups), _against_steps(right, groups)]
    figures.save("theorem1", figure, pd.concat(frames, ignore_index=True))


def _against_eta(axis: Axes, groups: Groups) -> pd.DataFrame:
    rows = []
    shares, problem = np.geomspace(0.02, 1, 40), Quadratic(1.0, 1.0, start=1.0)
    for member, colour in zip(problems.PLAIN, COLOURS, strict=False):
        bowls = {run: group for run, group in groups.items() if run.role == f"{member} on bowl"}
        steps = max(run.steps for run in bowls)
        s = bounds.setting(MEMBERS[member], gap=problem.gap)
        etas = shares * bounds.eq16(s).largest
        exact = [expected(MEMBERS[member], eta, problem, steps).gradient for eta in etas]
        bound = [bounds.theorem1(s, eta, steps) for eta in etas]
        axis.loglog(shares, bound, "--", color=colour, label=f"bound (17), {member}")
        axis.loglog(shares, exact, "-", color=colour, label="exact expectation")
        for run, group in bowls.items():
            dots = problems.measured(group, "gradient", steps) / run.d
            axis.plot(len(dots) * [problems.eta(run) / etas[-1]], dots, "o", ms=5, mfc="none", color=colour)
        rows += [(member, "bowl", e, steps, b, x) for e, b, x in zip(etas, bound, exact, strict=True)]
    axis.plot([], [], "ko", ms=5, mfc="none", label="runs, each seed")
    axis.set(xlabel="eta / largest that (16) allows", ylabel="per coordinate")
    axis.set_title(f"mean |grad F(u)|^2 on a bowl, K = {steps}", fontsize=10)
    axis.legend(fontsize=7)
    return pd.DataFrame(rows, columns=["member", "problem", "eta", "K", "bound", "left_side"])


def _against_steps(axis: Axes, groups: Groups) -> pd.DataFrame:
    rows = []
    colours = dict(zip(MEMBERS, COLOURS, strict=False))
    styles = {"waves": "-", "hilltop": ":", "bowl": "--"}
    for run, group in groups.items():
        member, problem = run.role.split(" on ")
        if problems.eta(run) / bounds.eq16(problems.setting(run)).largest < 0.5:
            continue
        steps = sorted(problems.whole_periods(run))
        ratios = [float(_ratios(run, group, k).mean()) for k in steps]
        label = member if problem == "waves" else "_"
        axis.semilogx(steps, ratios, styles[problem], marker=".", color=colours[member], label=label)
        rows += [(member, problem, problems.eta(run), k, 1.0, r) for k, r in zip(steps, ratios, strict=True)]
    axis.axhline(1, color="black", lw=1)
    for problem, style in styles.items():
        axis.plot([], [], style, color="black", label=problem)
    axis.set(xlabel="K", ylim=(0, 1.08))
    axis.set_title("left side of (17) / bound, eta at 0.98 of (16)", fontsize=10)
    axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return pd.DataFrame(rows, columns=["member", "problem", "eta", "K", "bound", "left_side"])
