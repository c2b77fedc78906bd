import os
import re
import subprocess
from pathlib import Path

import pytest

from reproductions.harness.options import DATA_FOLDERS, FLAGS, OPTIONS
from reproductions.harness.runs.settings import Settings
from tests.harness.toy_session import ROOT, Session


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("ranks", "0", "is '0', but must be a whole number of at least 1"),
        ("scale", "huge", "is 'huge', but must be one of smoke, small, paper"),
        ("seeds", "many", "is 'many', but must be a whole number"),
        ("time-limit", "9x", "is '9x', but must be a time above 0, such as 540, 540s, 9m or 1h30m"),
        ("run-timeout", "-1", "is '-1', but must be a number of seconds above 0"),
        ("data", "/nowhere", "is '/nowhere', but there is no such folder"),
        ("data", ".", "holds none of cifar10, cifar-10-batches-py, atis, libsvm, imagenet"),
        ("launcher", "srun", "must contain {ranks}"),
        ("launcher", "srun '{ranks}", "is no command line with {ranks} in it"),
        ("launcher", "no-such-program -n {ranks}", "'no-such-program', which is not a program on this machine"),
        ("results", "/proc/results", "nothing can be written there"),
        ("seeds", "1000000", "is '1000000', but at most 1000 are run"),
        ("results", "~nosuchuser/results", "is '~nosuchuser/results', which is no path here"),
        ("device", "tpu", "must be one of auto, cpu, cuda"),
        ("log-to", "wandb", "is 'wandb', but must be one of mlflow, tensorboard"),
        ("algorithm", "nothing_here:Mine", "but there is no module nothing_here in "),
        ("rerun", "maybe", "must be true or false"),
    ],
)
@pytest.mark.fault("options")
def test_a_bad_value_is_one_clear_sentence(option: str, text: str, message: str) -> None:
    found = next(o for o in (*OPTIONS, *FLAGS) if o.name == option)
    with pytest.raises(pytest.UsageError, match=f"^--x .*{re.escape(message)}"):
        found.value(text, "--x")


@pytest.mark.fault("options")
def test_a_folder_of_runs_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    option = next(o for o in OPTIONS if o.name == "results")
    for place, make in (("file", Path.touch), ("loop", lambda path: path.symlink_to(path.name))):
        (tmp_path / place).mkdir()
        make(tmp_path / place / "runs")
        with pytest.raises(pytest.UsageError, match=rf"^--x is .*nothing can be written there: .*{place}/runs'$"):
            option.value(str(tmp_path / place), "--x")


def test_a_bad_option_ends_the_session_at_once(session: Session) -> None:
    result = session.run(str(session.paper), "--ranks", "0")
    assert result.returncode == 4
    assert result.stderr.strip() == "ERROR: --ranks is '0', but must be a whole number of at least 1"
    result = session.run_here(str(session.paper), "--scale", "huge")
    assert result.returncode == 4
    assert result.stderr.strip() == "ERROR: --scale is 'huge', but must be one of smoke, small, paper"


def test_help_shows_choices_and_defaults(session: Session) -> None:
    text = " ".join(session.run("--help").stdout.split())
    assert "--scale={smoke,small,paper}" in text
    assert "(default: auto: planned by pilots, else 8 at smoke, 3 elsewhere)" in text
    assert "'srun -n {ranks}' (default: mpiexec of Open MPI)" in text


def test_help_and_readme_name_the_same_folders_of_data() -> None:
    (row,) = re.findall(r"^\| `--data` \|.*", (ROOT / "README.md").read_text(), re.MULTILINE)
    for text in (row, next(option.help for option in OPTIONS if option.name == "data")):
        assert {name for name in DATA_FOLDERS if f"{name}/" in text} == set(DATA_FOLDERS)


def test_cuda_without_a_device_is_refused(session: Session) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    result = session.run_here("--collect-only", str(session.paper), "--device", "cuda")
    assert result.returncode == 4
    assert "torch finds no CUDA device here" in result.stderr


def test_tf32_needs_a_gpu(session: Session) -> None:
    result = session.run_here("--collect-only", str(session.paper), "--precision", "tf32")
    assert result.returncode == 4
    assert "--precision tf32 needs a GPU" in result.stderr


def test_options_come_from_the_environment_and_the_command_line_goes_first(session: Session) -> None:
    listing = ["--collect-only", str(session.paper)]
    assert "seeds 7" in session.run_here(*listing, REPRO_SEEDS="7").stdout
    assert "seeds 4" in session.run_here(*listing, "--seeds", "4", REPRO_SEEDS="7").stdout
    assert "ranks automatic" in session.run_here(*listing, "--ranks", "auto", REPRO_RANKS="2").stdout
    assert "REPRO_SCALE is 'huge'" in session.run_here(*listing, REPRO_SCALE="huge").stderr


def test_options_come_from_the_ini_file(session: Session) -> None:
    ini = session.folder / "tox.ini"
    ini.write_text("[pytest]\nrepro_scale = small\n")
    command = session.command("--collect-only", str(session.paper))
    command[command.index(os.devnull)] = str(ini)
    environment = session.environment()
    del environment["REPRO_SEEDS"]
    result = subprocess.run(command, cwd=session.folder, env=environment, capture_output=True, text=True, check=False)
    assert "scale small, seeds 3" in result.stdout


def test_a_number_of_seeds_that_is_given_is_taken(session: Session) -> None:
    session.write_test(
        "from tests.harness.toy_experiments import Toy\n"
        "def experiments(settings):\n    return {0: [Toy('', 1.0, seed) for seed in settings.fewer_seeds()]}\n"
        "def test_seeds(runs):\n    assert runs\n",
        claims="",
    )
    assert "test_toy: 5 runs" in session.run_here("--collect-only", "--seeds", "5").stdout
    assert "test_toy: 5 runs" in session.run_here("--collect-only", "--seeds", "auto").stdout


@pytest.mark.parametrize(
    ("scale", "seeds", "fewer"), [("smoke", 8, 5), ("smoke", 3, 3), ("smoke", 1, 1), ("small", 3, 3)]
)
def test_fewer_seeds_are_enough_to_decide(scale: str, seeds: int, fewer: int) -> None:
    assert list(Settings(scale=scale, seeds=seeds).fewer_seeds()) == list(range(fewer))
