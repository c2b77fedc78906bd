"""What figure 2 on links must not take for the increase that the paper speaks of."""

from functools import partial
from typing import Any

import pandas as pd
import pytest

from reproductions.harness.runs.labelled import Runs
from reproductions.harness.runs.settings import Settings
from reproductions.harness.runs.store import Run
from reproductions.popsgd import test_figure2_links
from reproductions.popsgd.linked import LinkedTraining
from tests.reproductions.lab import assert_red, decider

CLAIM = "popsgd-fig2-time-per-batch"
TIMES = {(2, False): 0.55, (8, False): 0.6, (16, False): 0.64, (16, True): 0.56}


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_figure2_links, "_plot", lambda *_: None)


def deciding(differ: int = 0, **changed: float) -> Any:
    """Return the test on runs with the times above, some of them changed: ``drawn16`` or ``circle16`` and so on."""

    def run(experiment: LinkedTraining) -> Run[LinkedTraining]:
        n, circle = experiment.nodes, experiment.circle
        seconds = changed.get(f"{'circle' if circle else 'drawn'}{n}", TIMES[n, circle])
        final = {"wall_seconds": seconds * (1 + 0.002 * experiment.seed), "differ": differ}
        rows = [(experiment.steps, name, value) for name, value in final.items()]
        return Run(experiment, pd.DataFrame(rows, columns=["step", "metric", "value"]), {"ranks": n})

    grid = test_figure2_links.experiments(Settings())
    runs = Runs({label: [run(experiment) for experiment in group] for label, group in grid.items()})
    return partial(test_figure2_links.test_time_per_batch_grows_with_nodes, runs=runs, figures=None)


def test_links_that_nodes_share_take_longer() -> None:
    claim = decider(CLAIM)
    deciding()(claim)
    assert claim.verdict.verdict == "trend"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"drawn8": 0.55, "drawn16": 0.55}, id="no rise"),
        pytest.param({"circle16": 0.64}, id="hosts that share cores take as long without sharing links"),
        pytest.param({"drawn8": 0.7}, id="falls again"),
        pytest.param({"differ": 1}, id="a model is lost"),
    ],
)
def test_what_is_no_effect_of_the_network_is_red(wrong: dict[str, Any]) -> None:
    assert_red(CLAIM, deciding(**wrong))
