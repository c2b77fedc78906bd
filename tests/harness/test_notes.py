"""What is worth a note is said at the end, also of a session that decides nothing."""

from __future__ import annotations

from tests.harness.toy_session import Session

DRAWING = """
import os
from tests.harness.toy_experiments import Toy

def experiments(settings):
    return {"toy": [Toy(os.environ["TOY_MARKS"], float("nan"), seed) for seed in range(2)]}

def test_figure(runs):
    assert len(runs.all) == 2
"""


def test_a_drawing_alone_says_how_many_runs_diverged(session: Session) -> None:
    session.write_test(DRAWING)
    done = session.run()
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("2 of 2 runs diverged, as Toy(marks=") == 1
    assert "reproduced against reported" not in done.stdout
