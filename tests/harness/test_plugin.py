import signal
import subprocess
import time

import pytest

from reproductions.harness.turns import TURN
from tests.harness.toy_session import SLOW, Session

# ------------------------------------------------------------------------------------------- claims without tests


def test_a_test_that_names_an_unknown_claim_is_an_error(session: Session) -> None:
    session.write_test(SLOW, claims="toy-few")
    result = session.run()
    assert result.returncode == 4
    assert "decides the claim 'toy-number', which" in result.stderr


def test_a_claim_without_a_test_is_an_error(session: Session) -> None:
    session.write_test(SLOW, claims="toy-number toy-few")
    result = session.run_here()
    assert result.returncode == 4
    assert "no test decides these claims" in result.stderr
    assert "toy-few" in result.stderr


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("scale: any", "scale: huge"), "scale is 'huge', not one of 'any' or 'paper'"),
        (("kind: number", "sort: number"), "sort is an unknown field"),
        (("  quote: the loss is 1.0\n", ""), "quote is missing"),
        (("paper: toy", "paper: [toy"), "claims.yaml"),
    ],
)
def test_a_damaged_claims_file_is_an_error(session: Session, edit: tuple[str, str], message: str) -> None:
    path = session.paper / "claims.yaml"
    path.write_text(path.read_text().replace(*edit))
    result = session.run_here()
    assert result.returncode == 4
    assert message in result.stderr


# -------------------------------------------------------------------------------------------------- interruptions


def start(session: Session) -> subprocess.Popen[str]:
    session.write_test(SLOW)
    process = subprocess.Popen(
        session.command(str(session.paper), "--time-limit", "10m"),
        cwd=session.folder,
        env=session.environment(TOY_SECONDS="60", PYTHONFAULTHANDLER="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    end = time.monotonic() + 60
    while len(session.executed()) < 3 and time.monotonic() < end:
        time.sleep(0.1)
    assert len(session.executed()) == 3, "the session did not reach its third run"
    return process


def output_of(process: subprocess.Popen[str], timeout: float) -> str:
    """Return what a process wrote until its end; if it does not end, fail with where its threads stood."""
    try:
        return process.communicate(timeout=timeout)[0]
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        output, _ = process.communicate(timeout=10)
        pytest.fail(f"the session did not end within {timeout:g} s:\n{output}")


def ranks_of(session: Session) -> str:
    return subprocess.run(["pgrep", "-f", str(session.results)], capture_output=True, text=True, check=False).stdout


def assert_clean(session: Session, patience: float = 10.0) -> None:
    end = time.monotonic() + patience
    while (left := ranks_of(session)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not left
    stored = [path for path in (session.results / "runs").iterdir() if not path.name.endswith(".checkpoint")]
    assert all((path / "run.json").exists() for path in stored if not path.name.startswith("."))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.fault("sessions that are ended")
def test_control_c_stops_the_ranks_and_keeps_what_is_finished(session: Session, number: signal.Signals) -> None:
    process = start(session)
    process.send_signal(number)
    output = output_of(process, timeout=60)
    assert process.returncode == 2
    assert "KeyboardInterrupt" in output
    assert not (session.results / "smoke" / "verdicts.json").exists()  # nothing was decided
    assert_clean(session)
    assert [path.name for path in (session.results / "runs").glob(".*")] == [TURN]
    assert len(list((session.results / "runs").glob("[!.]*"))) == 2


@pytest.mark.fault("sessions that are ended")
def test_after_a_kill_only_the_missing_runs_are_made(session: Session) -> None:
    process = start(session)
    process.kill()
    process.wait()
    assert_clean(session)
    result = session.run(TOY_SECONDS="0")  # other fields, so another key, for the third run alone
    assert result.returncode == 0, result.stdout
    assert "4 runs, 2 to make" in result.stdout
    assert not list((session.results / "runs").glob(".launch-*"))
    assert session.executed()[3:] == ["1.0 2", "1.0 3"]


@pytest.mark.fault("sessions that are ended")
def test_a_truncated_stored_run_is_made_again(session: Session) -> None:
    session.write_test(SLOW)
    session.run()
    frame = next((session.results / "runs").glob("*/frame.parquet"))
    frame.write_bytes(frame.read_bytes()[:100])
    result = session.run()
    assert result.returncode == 0
    assert "4 runs, 1 to make" in result.stdout
    assert "is damaged and will be made again" in result.stdout
    assert len(session.executed()) == 5


@pytest.mark.fault("sessions that are ended")
def test_a_full_disk_fails_the_test_with_its_cause(session: Session) -> None:
    session.write_test(SLOW)
    limited = ["sh", "-c", 'ulimit -f 1; exec "$@"', "sh", *session.command(str(session.paper))]
    result = subprocess.run(
        limited, cwd=session.folder, env=session.environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode != 0
    assert "File too large" in result.stdout + result.stderr
    assert not list((session.results / "runs").glob("*/run.json"))
    assert not list((session.results / "runs").glob(".draft*"))


@pytest.mark.fault("sessions that are ended")
def test_runs_that_do_not_fit_fail_with_a_sentence_and_their_claim_is_not_run(session: Session) -> None:
    session.write_test(
        "import pytest\n"
        "from reproductions.harness.runs.free_memory import DoesNotFit\n"
        "from reproductions.harness.plugin import decides\n"
        "from reproductions.harness.runs.runner import Runner\n"
        "def refuse(self, experiments):\n"
        "    self.announce('a line that stays')\n"
        "    raise DoesNotFit('it needs 2 GiB, where 1 GiB are free: use --streams 1')\n"
        "def experiments(settings):\n"
        "    return {}\n"
        "@pytest.fixture(autouse=True, scope='module')\n"
        "def refused():\n"
        "    with pytest.MonkeyPatch.context() as patch:\n"
        "        patch.setattr(Runner, 'run', refuse)\n"
        "        yield\n"
        "@decides('toy-number')\n"
        "def test_number(claim, runs):\n"
        "    pass\n"
    )
    done = session.run_here()
    assert done.returncode == 1
    assert "it needs 2 GiB, where 1 GiB are free: use --streams 1" in done.stdout
    assert "\na line that stays\n" in done.stdout
    assert "Traceback" not in done.stdout
    verdict = session.verdicts()["toy-number"]
    assert verdict["verdict"] == "not run"
    assert verdict["reason"] == "it needs 2 GiB, where 1 GiB are free: use --streams 1"
