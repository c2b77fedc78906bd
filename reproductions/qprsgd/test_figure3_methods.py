"""Figure 3(c, d, g, h): training loss and communication of PSGD, QSGD, PR-SGD and QPRSGD, on the ring and by gossip."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd

from reproductions.experiments.training import Training
from reproductions.paper import (
    Decider,
    FigureFolder,
    Label,
    Runs,
    Settings,
    all_of,
    decides,
    draw,
    less,
    name_of,
    panels,
    reached,
)
from reproductions.qprsgd.curves import Curves, Rounds, interval, numbered, ratio
from reproductions.qprsgd.recipes import METHODS, PARADIGMS, RESNET, K, methods, recipe, trainings


def experiments(settings: Settings) -> dict[Label, list[Training]]:
    """Return the four methods on both paradigms, by paradigm and method."""
    return trainings(settings, METHODS)


def curves(settings: Settings, runs: Runs[Training], model: str = RESNET) -> Curves:
    """Return the runs, to be read in rounds."""
    return Curves(runs, METHODS, recipe(settings, model))


def rounds(found: Curves, claim: Decider) -> dict[str, Rounds]:
    """Return the rounds to convergence by method, for the paradigm that a claim is about."""
    paradigm = str(claim.claim.at["paradigm"])
    return {name: found.rounds_to((paradigm, name)) for name in methods(paradigm)}


@decides("qprsgd-fig3c-overlap-pr", "qprsgd-fig3g-overlap-pr")
def test_quantization_changes_no_curve(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    overlapping(claim, rounds(curves(settings, runs), claim), runs)


def only(found: dict[str, Rounds], *names: str) -> dict[Label, Rounds]:
    """Return what was found for some methods."""
    return {name: found[name] for name in names}


def overlapping(claim: Decider, found: dict[str, Rounds], runs: Runs[Training]) -> None:
    """Decide whether methods that differ by quantization alone need the same rounds to a loss."""
    pairs = (("QPRSGD", "PR-SGD"), ("QSGD", "PSGD"))
    ratios = {f"{one} / {other}": ratio(found[one], found[other]) for one, other in pairs}
    decision = reached(found, lambda: all_of(*(claim.within(each) for each in ratios.values())), every=True)
    claim.decide(decision, ", ".join(f"{name} {each.mean():.2f}" for name, each in ratios.items()), runs)


@decides("qprsgd-fig3c-3x")
def test_convergence_is_over_three_times_as_fast(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    found = rounds(curves(settings, runs), claim)
    passes = {name: times * (K if name == "QPRSGD" else 1) for name, times in found.items()}
    ratios = {name: ratio(each["PSGD"], each["QPRSGD"]) for name, each in (("rounds", found), ("passes", passes))}
    decisions = {
        name: numbered(claim, settings, only(each, "PSGD", "QPRSGD"), ratios[name])
        for name, each in (("rounds", found), ("passes", passes))
    }
    text = ", ".join(f"{each.mean():.2f} times fewer {name}" for name, each in ratios.items())
    claim.decide_readings(decisions, text, runs, number=interval(ratios["rounds"]))


@decides("qprsgd-fig3d-vs-qsgd", "qprsgd-fig3h-vs-qsgd")
def test_communication_is_half_of_qsgds(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    found = curves(settings, runs)
    paradigm = str(claim.claim.at["paradigm"])
    sent = {name: times * found.sent((paradigm, name)) for name, times in rounds(found, claim).items()}
    saving = 100 * (1 - ratio(sent["QPRSGD"], sent["QSGD"]))
    decision = numbered(claim, settings, only(sent, "QSGD", "QPRSGD"), saving)
    claim.decide(decision, f"{saving.mean():.0f} % less", runs, number=interval(saving))


@decides("qprsgd-comm-qpr-less-qsgd")
def test_bytes_to_a_loss_are_ordered(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    found, decisions, texts, order = curves(settings, runs), [], [], ("QPRSGD", "QSGD", "PSGD")
    for paradigm in PARADIGMS:
        sent = {name: found.rounds_to((paradigm, name)) * found.sent((paradigm, name)) for name in order}
        logs = {name: np.log(each) for name, each in sent.items()}
        for low, high in pairwise(order):
            both = logs[low], logs[high]
            decisions.append(reached(logs, partial(less, *both, alpha=claim.alpha / 4), every=True))
        texts.append(f"{paradigm} " + " ".join(f"{1e-6 * sent[name].mean():.2f}" for name in order))
    claim.decide(all_of(*decisions), ", ".join(texts) + " MB", runs)


def test_figure3_methods(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    figure, axes = panels(4, width=3.4)
    found, frames = curves(settings, runs), []
    for column, paradigm in enumerate(PARADIGMS):
        labels: list[Label] = [(paradigm, name) for name in methods(paradigm)]
        frame = found.frame(labels)
        sent = {label[1]: 1e-6 * found.sent(label) for label in labels if isinstance(label, tuple)}
        frames.append(frame.assign(megabytes=frame["step"] * frame["label"].map(sent)))
        draw(axes[column], frames[-1])
        draw(axes[2 + column], frames[-1].assign(step=frames[-1]["megabytes"]))
        axes[column].set(title=f"({'cg'[column]}) {paradigm}", xlabel="round")
        axes[2 + column].set(title=f"({'dh'[column]}) {paradigm}", xlabel="MB through the busiest worker", xscale="log")
    for axis in axes:
        found.draw_level(axis)
        axis.set(ylabel="training loss", yscale="log")
    for axis, paradigm in zip(axes[2:], PARADIGMS, strict=True):
        qsgd = (paradigm, "QSGD")
        sent = 1e-6 * (found.rounds_to(qsgd) * found.sent(qsgd)).mean()
        found.draw_printed(axis, sent, [0.4, 0.5])
    axes[0].plot([], [], "|-", ms=9, lw=2, color="grey", label="printed: 50-60 % below QSGD (d, h)")
    axes[0].legend(fontsize=7)
    figure.suptitle(name_of(settings, RESNET, runs.all))
    figures.save("figure3cdgh", figure, pd.concat(frames).rename(columns={"label": "method"}))
