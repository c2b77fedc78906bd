"""A session and its ranks start fast: torch takes two seconds of every process that loads it."""

from __future__ import annotations

import json
import subprocess
import sys

SLOW = ("torch", "scipy.stats", "statsmodels", "sklearn", "matplotlib.pyplot", "numba", "networkx")


LOADED = """
import importlib, json, sys
for name in ("context", "store", "ranks"):
    importlib.import_module(f"reproductions.harness.runs.{name}")
    print(json.dumps([name, [*sys.modules]]))
import reproductions.harness.plugin
print(json.dumps(["plugin", [*sys.modules]]))
"""


def test_the_harness_loads_no_library_that_takes_seconds() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    loaded = dict(map(json.loads, done.stdout.splitlines()))
    assert loaded.keys() == {"context", "store", "ranks", "plugin"}
    assert {name: {*SLOW} & {*modules} for name, modules in loaded.items()} == {name: set() for name in loaded}


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
