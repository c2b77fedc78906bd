"""The speeds are run as users of pytest-benchmark expect: asked for by its option, grouped, each ratio by its name."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.harness.toy_session import ROOT

FOLDER = "tests/benchmarks"
TIMED = """
from tests.benchmarks.conftest import *

def test_toy(benchmark, speed):
    benchmark.pedantic(sum, args=([1, 2],), rounds=3)
    speed("one / two", 0.5, "at most 1", "nothing")
    speed("two / one", 2.0, "at most 3", "nothing")
"""


# pytest-benchmark times nothing in a worker of xdist, which these sessions are not
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def collected(*options: str) -> int:
    command = [sys.executable, "-m", "pytest", FOLDER, "--collect-only", "-q", *options]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)
    return sum("::" in line for line in done.stdout.splitlines())


def test_they_run_when_they_are_asked_for() -> None:
    assert collected() == 0
    assert collected("--benchmark-only") == collected("-m", "speed") > 10


def test_every_ratio_has_its_name_and_every_benchmark_its_group(tmp_path: Path) -> None:
    (tmp_path / "test_toy_speed.py").write_text(TIMED)
    report = tmp_path / "report.json"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        "/dev/null",
        f"--benchmark-json={report}",
        "-p",
        "no:cacheprovider",
    ]
    subprocess.run([*command, str(tmp_path)], cwd=ROOT, env=ENVIRONMENT, check=True, capture_output=True, timeout=300)
    (found,) = json.loads(report.read_text())["benchmarks"]
    assert {name: ratio["ratio"] for name, ratio in found["extra_info"].items()} == {"one / two": 0.5, "two / one": 2.0}
    assert (found["group"], found["stats"]["rounds"]) == ("toy", 3)


def test_nothing_times_nothing_or_only_once() -> None:
    texts = [path.read_text() for path in (ROOT / FOLDER).glob("*.py")]
    assert not [text for text in texts if "lambda: None" in text or re.search(r"[ (]rounds=1\b", text)]
