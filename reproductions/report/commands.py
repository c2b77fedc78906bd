"""Commands: what to type to get a verdict or a plot again."""

from __future__ import annotations

from reproductions.harness.settings import SEEDS
from reproductions.harness.verdicts import Verdict
from reproductions.report.results import Plot, data_of
from reproductions.report.sections import function, module

NO_DATA = {"exact", "simulation"}  # workloads that read nothing


def rerun(verdict: Verdict) -> str:
    """Return the command that decides a claim again."""
    where = module(verdict.test) or f"reproductions/{verdict.paper}"
    embedded = verdict.scale == "smoke" or data_of(verdict) in NO_DATA
    data = "" if embedded else " --data DATA"
    seeds = f" --seeds {verdict.seeds}" if verdict.seeds not in (0, 1, SEEDS[verdict.scale]) else ""
    return f"pytest {where} -k {verdict.id} --scale {verdict.scale}{data}{seeds}"


def redraw(plot: Plot) -> str:
    """Return the command that makes a plot again."""
    where = function(plot.test) or f"reproductions/{plot.paper} -k {plot.name}"
    return f"pytest {where} --scale {plot.scale}{'' if plot.scale == 'smoke' else ' --data DATA'}"
