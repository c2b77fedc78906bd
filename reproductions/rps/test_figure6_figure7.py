"""Figures 6 and 7, section 7: a web service colocated with learning traffic on one switch."""

from __future__ import annotations

from reproductions.harness.plugin import decides
from reproductions.harness.verdicts import Decider


@decides(
    "rps-fig6-speedup-10pct",
    "rps-intro-web-1.2x",
    "rps-fig6-lambda2000",
    "rps-fig6-lambda5000",
    "rps-fig6-lambda10000",
    "rps-fig7-target2ms",
    "rps-fig7-target5ms",
    "rps-fig7-target10ms",
    "rps-sec7-ml-load",
)
def test_colocation(claim: Decider) -> None:
    claim.not_run(
        "needs the packet-level simulation of 16 servers behind one switch, which the suite does not have yet"
    )
