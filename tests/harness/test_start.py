"""A session and its ranks start fast: torch takes two seconds of every process that loads it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SLOW = ("torch", "scipy.stats", "statsmodels", "sklearn", "matplotlib.pyplot", "numba", "networkx")


@pytest.mark.parametrize("module", ["plugin", "runs.ranks", "runs.context", "runs.store"])
def test_the_harness_loads_no_library_that_takes_seconds(module: str) -> None:
    code = f"import json, sys, reproductions.harness.{module}; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {*SLOW} & {*json.loads(done.stdout)}


GPU = """
import sys
from reproductions.harness.runs import provenance
for provenance.GPUS in (("/no/gpu",), ("/no/gpu", "/dev/null")):
    found = provenance._gpu()
    print("torch" in sys.modules)
"""


def test_torch_is_asked_for_the_gpu_only_where_there_may_be_one() -> None:
    done = subprocess.run([sys.executable, "-c", GPU], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
