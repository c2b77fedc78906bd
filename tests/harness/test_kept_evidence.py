"""Every way in which a session can end: no command makes kept evidence worse, by the judgement of git."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from reproductions.harness.verdicts import kept
from tests.harness.kept_results import Kept
from tests.harness.toy_session import TOY

pytestmark = pytest.mark.fault("ends of a session")


@pytest.fixture
def evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    for name in [name for name in os.environ if name.startswith("REPRO_")]:
        monkeypatch.delenv(name)
    return Kept(tmp_path, str(tmp_path))


OK, FAILED, INTERRUPTED, USAGE, NONE, LATE = 0, 1, 2, 4, 5, 75
ENDS: list[tuple[str, dict[str, Any], tuple[str, ...], int]] = [
    ("an assertion fails", {"body": "assert False"}, (), FAILED),
    ("an exception", {"body": "raise RuntimeError('broke')"}, (), FAILED),
    ("a broken fixture", {"body": "decide(claim)", "signature": "claim, run, broken"}, (), FAILED),
    ("no decision", {"body": "pass"}, (), FAILED),
    ("a skip", {"body": "pytest.skip('not today')"}, (), OK),
    ("not run", {"body": "claim.not_run('needs a bigger toy')"}, (), OK),
    ("an expected failure", {"body": "assert False", "decorator": "@pytest.mark.xfail"}, (), OK),
    ("Ctrl-C in the test", {"body": "raise KeyboardInterrupt"}, (), INTERRUPTED),
    ("Ctrl-C in a fixture", {"body": "decide(claim)", "signature": "claim, run, stopped"}, (), INTERRUPTED),
    ("Ctrl-C by a signal", {"body": "os.kill(os.getpid(), signal.SIGINT)"}, (), INTERRUPTED),
    ("pytest.exit", {"body": "pytest.exit('enough')"}, (), INTERRUPTED),
    ("--setup-plan", {"body": "decide(claim, 9)"}, ("--setup-plan",), OK),
    ("--setup-only", {"body": "decide(claim, 9)"}, ("--setup-only",), OK),
    ("--collect-only", {"body": "decide(claim, 9)"}, ("--collect-only",), OK),
    ("deselected", {"body": "decide(claim, 9)"}, ("-k", "another"), NONE),
    ("missing data", {"body": "run([NeedsData('', 1.0, 0)])"}, (), OK),
    ("no memory for a plan", {"body": "raise Refused('12 GB are needed')"}, (), FAILED),
    ("no memory", {"body": "raise MemoryError"}, (), FAILED),
    ("one seed", {"body": "decide(claim, 1)"}, (), OK),
    ("two seeds", {"body": "decide(claim, 2)"}, (), OK),
    ("fewer seeds that decide", {"body": "decide(claim, 4)"}, (), OK),
    ("fewer seeds that deviate", {"body": "decide(claim, 4, value=3.0)"}, (), FAILED),
    ("as many seeds that decide nothing", {"body": "decide(claim, 5, spread=0.5)"}, (), OK),
    ("--seeds 1", {"body": "decide(claim, 1)"}, ("--seeds", "1"), OK),
    ("a damaged claims file", {"body": "decide(claim, 9)", "scale": "huge"}, (), USAGE),
    ("a test file that does not load", {"body": "decide(claim, 9", "signature": "claim"}, (), INTERRUPTED),
    ("an option that is wrong", {"body": "decide(claim, 9)"}, ("--seeds", "0"), USAGE),
    ("no baseline", {"body": "decide(claim, 9)"}, ("--baseline", "missing.json"), USAGE),
]  # fmt: skip


@pytest.mark.parametrize(("case", "arguments", "code"), [end[1:] for end in ENDS], ids=[end[0] for end in ENDS])
def test_a_kept_decision_stays_as_it_is(
    evidence: Kept, case: dict[str, Any], arguments: tuple[str, ...], code: int
) -> None:
    evidence.write(**case)
    assert evidence.run(*arguments) == code
    assert evidence.changed == ""


@pytest.mark.parametrize(
    "body", ["os.kill(os.getpid(), signal.SIGTERM)", "os.kill(os.getpid(), signal.SIGKILL)", "os._exit(3)"]
)
def test_a_session_that_is_killed_keeps_it(evidence: Kept, body: str) -> None:
    evidence.write(body)
    assert evidence.run_apart() not in (OK, FAILED)
    assert evidence.changed == ""


def test_a_launch_that_fails_keeps_it(evidence: Kept) -> None:
    evidence.write(f"run([Toy({evidence.marks!r}, 1.0, 0, fault='raise')])")
    assert evidence.run_apart() == FAILED
    assert evidence.changed == ""


def test_a_session_out_of_time_keeps_it(evidence: Kept) -> None:
    evidence.write(f"run([Toy({evidence.marks!r}, 1.0, 0, seconds=30)])")
    assert evidence.run_apart("--time-limit", "2s") in (FAILED, LATE)
    assert evidence.changed == ""


@pytest.mark.parametrize(
    "text", ["", "[]", "null", '{"schema": 2, "claims": [', '{"schema": 2, "sessions": {}, "claims": [{}]}']
)
def test_a_damaged_file_is_set_aside_and_the_session_decides(
    evidence: Kept, capfd: pytest.CaptureFixture[str], text: str
) -> None:
    evidence.path.write_text(text)
    evidence.write("decide(claim, 9)")
    assert evidence.run("--collect-only") == USAGE
    assert evidence.changed == " M smoke/verdicts.json\n"  # a plan moves nothing
    assert evidence.run() == OK
    assert evidence.path.with_name("verdicts.json.damaged").read_text() == text
    assert evidence.verdict == "reproduced"
    assert f"{evidence.path} is no file of verdicts (" in (output := capfd.readouterr().out)
    assert "it lies in verdicts.json.damaged now, and a new one is begun" in output


def test_a_file_of_another_schema_stops_the_session(evidence: Kept, capfd: pytest.CaptureFixture[str]) -> None:
    evidence.path.write_text(text := '{"schema": 1, "provenance": {}, "claims": []}')
    evidence.write("decide(claim, 9)")
    assert evidence.run() == USAGE
    assert evidence.path.read_text() == text
    assert "has schema 1, but this version writes schema 2" in capfd.readouterr().err


def test_what_a_session_decided_is_in_the_file_though_it_was_damaged_meanwhile(evidence: Kept) -> None:
    damage = f"open({str(evidence.path)!r}, 'w').write('[')"
    evidence.write(f"decide(claim, 9)\n\ndef test_later():\n    {damage}", decorator="")
    evidence.paper.joinpath("claims.yaml").write_text((TOY / "claims.yaml").read_text())
    text = next(evidence.paper.glob("test_*.py"))
    text.write_text(text.read_text() + "\n@decides('toy-order')\ndef test_order(claim):\n    decide(claim, 9)\n")
    evidence.run(*[f"{text}::{name}" for name in ("test_number", "test_later", "test_order")])
    assert {row["id"] for row in kept.read(evidence.path)["claims"]} == {"toy-number", "toy-order"}
    assert evidence.path.with_name("verdicts.json.damaged").read_text() == "["


@pytest.mark.parametrize("asked", ["", "[]", None])
def test_a_file_that_was_asked_for_and_is_none_of_verdicts_stops_the_session(evidence: Kept, asked: str | None) -> None:
    path = evidence.folder / "asked.json"
    path.mkdir() if asked is None else path.write_text(asked)
    evidence.write("decide(claim, 9)")
    assert evidence.run("--verdicts", str(path)) == USAGE
    assert asked is None or path.read_text() == asked
    assert evidence.changed == ""


def test_a_folder_in_place_of_the_file_stops_the_session(evidence: Kept) -> None:
    evidence.path.unlink()
    evidence.path.mkdir()
    evidence.write("decide(claim, 9)")
    assert evidence.run() == USAGE
    assert list(evidence.path.iterdir()) == []


def test_a_file_in_place_of_the_folder_stops_the_session(evidence: Kept) -> None:
    shutil.rmtree(evidence.path.parent)
    evidence.path.parent.write_text("")
    evidence.write("decide(claim, 9)")
    assert evidence.run() == USAGE
    assert evidence.path.parent.read_text() == ""


def full(*_: Any) -> None:
    raise OSError(28, "No space left on device")


def test_a_disk_that_fills_up_fails_the_session(
    evidence: Kept, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    evidence.write("decide(claim, 9)")
    with monkeypatch.context() as patch:
        patch.setattr(kept, "_write", full)
        assert evidence.run() == FAILED
    assert "1 verdicts were not written" in capfd.readouterr().out
    assert evidence.changed == ""


def test_a_disk_that_was_full_for_a_moment_costs_nothing(evidence: Kept) -> None:
    evidence.write(
        "from reproductions.harness.verdicts import kept\n    from tests.harness.test_kept_evidence import full\n"
        "    kept._write, evidence_write = full, kept._write\n    globals()['free'] = evidence_write\n"
        "    decide(claim, 9)\n\ndef test_later():\n"
        "    from reproductions.harness.verdicts import kept\n    kept._write = free"
    )
    assert evidence.run() == OK
    assert next(row["seeds"] for row in kept.read(evidence.path)["claims"]) == 9


@pytest.mark.parametrize(
    ("body", "arguments", "code", "verdict"),
    [
        ("decide(claim)", (), OK, "reproduced"),
        ("decide(claim, value=3.0)", (), FAILED, "deviates"),
        ("decide(claim, 6, spread=0.5)", (), OK, "inconclusive"),
        ("decide(claim, 3, value=3.0)", ("--replace",), FAILED, "deviates"),
    ],
)
def test_a_decision_on_as_many_seeds_replaces_it(
    evidence: Kept, body: str, arguments: tuple[str, ...], code: int, verdict: str
) -> None:
    evidence.write(body)
    assert evidence.run(*arguments) == code
    assert evidence.path.read_bytes() != evidence.before
    assert evidence.verdict == verdict


def test_a_known_deviation_replaces_it(evidence: Kept) -> None:
    evidence.write("decide(claim, value=3.0)", deviates={"smoke": "the toy is lighter"})
    assert evidence.run() == OK
    assert evidence.verdict == "deviates"


def test_a_verdict_that_falls_fails_the_session(evidence: Kept, capfd: pytest.CaptureFixture[str]) -> None:
    baseline = evidence.folder / "baseline.json"
    baseline.write_bytes(evidence.before)
    evidence.write("decide(claim, 5, spread=0.5)")
    assert evidence.run() == OK
    assert evidence.run("--baseline", str(baseline)) == FAILED
    assert "toy-number was reproduced in" in capfd.readouterr().out
    evidence.write("claim.not_run('no data')")
    assert evidence.run("--baseline", str(baseline)) == OK
    assert baseline.read_bytes() == evidence.before


def test_the_file_that_was_asked_for_is_kept_too(evidence: Kept) -> None:
    asked = evidence.folder / "asked.json"
    asked.write_bytes(evidence.before)
    evidence.write("decide(claim, 1)")
    assert evidence.run("--verdicts", str(asked)) == OK
    assert asked.read_bytes() == evidence.before


def test_what_was_decided_is_kept_when_a_later_test_is_interrupted(evidence: Kept) -> None:
    evidence.path.unlink()
    evidence.write("decide(claim)\n\ndef test_later():\n    raise KeyboardInterrupt")
    assert evidence.run() == INTERRUPTED
    assert evidence.verdict == "reproduced"


def test_a_plan_writes_nothing(evidence: Kept) -> None:
    evidence.path.unlink()
    evidence.write("decide(claim)")
    for option in ("--setup-plan", "--setup-only", "--collect-only"):
        assert evidence.run(option) == OK
        assert not evidence.path.exists()


DIVERGING = """claim.decide(within(runs.final('loss', 'toy'), 0.0, 3.0), runs=runs)

@pytest.fixture
def runs():
    frame = pd.DataFrame({'step': [1], 'metric': ['loss'], 'value': [float('nan')]})
    return Runs({'toy': [Run(Toy('', 1.0, seed), frame, {'ranks': 1}) for seed in range(3)]})
"""


def test_a_loss_that_is_no_number_fails_in_one_sentence_that_names_its_run(
    evidence: Kept, capfd: pytest.CaptureFixture[str]
) -> None:
    evidence.write(DIVERGING, signature="claim, runs")
    assert evidence.run() == FAILED
    toy = "Toy(marks='', mean=1.0, seed=0, seconds=0.0, fault='')"
    said = f"3 of 3 runs diverged, as {toy}: ValueError: samples[0] is nan"
    assert said in (output := capfd.readouterr().out)
    assert "def finite(" not in output  # no source of the suite
    assert evidence.changed == ""


def test_a_figure_that_finds_the_disk_full_is_a_sentence(evidence: Kept, capfd: pytest.CaptureFixture[str]) -> None:
    evidence.write("raise OSError(28, 'No space left on device', 'figure1.svg')")
    assert evidence.run() == FAILED
    assert "\nfigure1.svg cannot be used: No space left on device\n" in (output := capfd.readouterr().out)
    assert "def test_number" not in output
    assert evidence.changed == ""
