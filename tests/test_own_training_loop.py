"""`docs/own-training-loop.md` works as it stands: its commands print one and the same line."""

from __future__ import annotations

import functools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reproductions.harness.runs.launcher import ENVIRONMENT

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/own-training-loop.md").read_text()
FILES = dict(re.findall(r"^```python title=(\S+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
COMMANDS = "".join(re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)).splitlines()
TRAINS = re.compile(r"^loss (\S+), digest [0-9a-f]{16}$", re.MULTILINE)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Return what tells what a command of the page prints, in a folder with its files."""
    folder = tmp_path_factory.mktemp("own")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return functools.cache(lambda command: output(command, folder))


def output(command: str, folder: Path) -> str:
    """Run a command with the programs beside this Python; return its standard output."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | ENVIRONMENT | {"PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        shlex.split(command), cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_has_a_command_for_one_rank_for_two_and_for_torchrun() -> None:
    assert [command.split()[0] for command in COMMANDS] == ["python", "mpiexec", "torchrun"]


@pytest.mark.slow
def test_all_commands_print_the_same_line(printed: Callable[[str], str]) -> None:
    lines = [TRAINS.search(printed(command)) for command in COMMANDS]
    assert all(lines)
    assert len({line[0] for line in lines if line}) == 1, lines


@pytest.mark.parametrize(
    "command", [COMMANDS[0], *(pytest.param(command, marks=pytest.mark.slow) for command in COMMANDS[1:])]
)
def test_the_module_learns(command: str, printed: Callable[[str], str]) -> None:
    (loss,) = TRAINS.findall(printed(command))
    assert float(loss) < 0.2  # that of a guess is 0.69


def test_own_code_takes_about_thirty_lines() -> None:
    lines = [
        line for line in FILES["own_loop.py"].splitlines() if line and not line.startswith(("from", "import", '"'))
    ]
    assert len(lines) <= 30
