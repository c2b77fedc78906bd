"""Plans of seeds: from the noise of a pilot to a number of seeds that sees the resolution of every claim."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import reproductions
from reproductions.harness.verdicts.claims import Claim, load_claims
from reproductions.harness.verdicts.intervals import mean_interval
from reproductions.harness.verdicts.plans import PILOTS, Pilot, load_pilots, pilot_of, plan, write_all, write_pilots
from reproductions.harness.verdicts.power import seeds_to_see
from reproductions.harness.verdicts.statistics import less
from tests.harness.toy_session import TOY

PAPERS = sorted(Path(reproductions.__file__).parent.glob("*/claims.yaml"))
BASE = load_claims(TOY / "claims.yaml")["toy-number"]


def claim(name: str, **fields: Any) -> Claim:
    return BASE.model_copy(update={"id": name, "resolution": 0.1} | fields)


def pilots(**deviations: float) -> dict[str, dict[str, Pilot]]:
    return {name: {"smoke": Pilot(deviation, 8, "2030-01-01")} for name, deviation in deviations.items()}


def test_the_noisiest_claim_plans_the_seeds() -> None:
    found = plan([claim("a"), claim("b")], pilots(a=0.02, b=0.1), "smoke")
    assert found is not None
    assert found.seeds == seeds_to_see(0.1, 0.1) == 8
    assert found.sentence == (
        "8 seeds planned: b sees 0.1 at a standard deviation of 0.1 with 8 (pilot of 8 seeds, 2030-01-01)"
    )


def test_a_figure_of_many_claims_needs_more_seeds() -> None:
    found = plan([claim("a")], pilots(a=0.1), "smoke", {"a": 13})
    assert found is not None
    assert found.seeds == seeds_to_see(0.1, 0.1, 0.05 / 13) == 16


@pytest.mark.parametrize(
    ("deviation", "scale", "seeds", "words"),
    [
        (1e-9, "smoke", 5, "5 seeds planned: a sees 0.1 at a standard deviation of 1e-09 with 3 "),
        (1e-9, "small", 3, "3 seeds planned"),
        (1.0, "smoke", 32, "more than the 32 that"),
    ],
)
def test_plans_have_limits(deviation: float, scale: str, seeds: int, words: str) -> None:
    found = plan([claim("a")], {"a": {scale: Pilot(deviation, 8, "2030-01-01")}}, scale)
    assert found is not None
    assert found.seeds == seeds
    assert words in found.sentence


def test_without_a_pilot_of_every_random_claim_there_is_no_plan() -> None:
    known = pilots(a=0.1)
    assert plan([claim("a"), claim("b")], known, "smoke") is None
    assert plan([claim("a"), claim("c", resolution=None)], known, "smoke") is None
    assert plan([claim("a")], known, "small") is None
    assert plan([], known, "smoke") is None
    assert plan([claim("a"), claim("c", resolution=None, basis="exact")], known, "smoke") is not None


def test_a_planned_number_of_seeds_sees_the_resolution() -> None:
    rng, seeds = np.random.default_rng(4), seeds_to_see(0.1, 0.1)
    seen = [less(rng.normal(0, 0.1, seeds), np.full(seeds, 0.1)).outcome == "holds" for _ in range(1000)]
    assert np.mean(seen) == pytest.approx(0.8, abs=0.06)


def row(samples: list[float], **fields: Any) -> dict[str, Any]:
    interval = mean_interval(samples)
    found = {"id": "toy-number", "scale": "smoke", "seeds": len(samples), "time": "2030-01-01T00:00:00+00:00"}
    numbers = {"interval": [interval.low, interval.high], "estimate": interval.estimate, "df": interval.df}
    return found | numbers | {"confidence": interval.confidence} | fields


def test_a_verdict_tells_the_noise() -> None:
    samples = [1.0, 1.2, 0.9, 1.1]
    assert pilot_of(row(samples)) == Pilot(float(f"{np.std(samples, ddof=1):.3g}"), 4, "2030-01-01")
    for other in (row(samples[:2]), row(samples, interval=None), row(samples, df=None)):
        assert pilot_of(other) is None


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    """Return the folder of the toy paper, one of whose claims has a resolution."""
    folder = tmp_path / "toy"
    folder.mkdir()
    document = yaml.safe_load((TOY / "claims.yaml").read_text())
    document["claims"][0]["resolution"] = 0.5
    (folder / "claims.yaml").write_text(yaml.safe_dump(document))
    return folder


def test_pilots_are_written_beside_the_claims(paper: Path) -> None:
    rows = [row([1.0, 1.2, 0.9]), row([1.0, 1.5, 0.5], scale="small"), row([1.0, 1.2, 0.9], id="toy-order")]
    assert write_pilots(paper, rows) == (2, 0)
    assert write_pilots(paper, [row([1.0, 1.0, 1.3])]) == (1, 0)
    found = load_pilots(paper / "pilots.yaml")
    assert found == {"toy-number": {"smoke": Pilot(0.173, 3, "2030-01-01"), "small": Pilot(0.5, 3, "2030-01-01")}}


def test_a_pilot_of_more_seeds_stays_and_that_is_said(
    paper: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pilots(paper, [row([1.0, 1.2, 0.9, 1.1])])
    before = (paper / PILOTS).read_text()
    rows = [row([1.0, 1.0, 1.3]), row([1.0, 1.5, 0.5], scale="small")]
    monkeypatch.setattr("reproductions.harness.verdicts.plans.kept.read", lambda path: {"claims": rows})
    write_all(paper / "verdicts.json", paper.parent)
    found = load_pilots(paper / PILOTS)["toy-number"]
    assert {scale: pilot.seeds for scale, pilot in found.items()} == {"smoke": 4, "small": 3}
    assert (paper / PILOTS).read_text().startswith(before)
    assert capsys.readouterr().out == (
        f"toy: 1 pilots written to {paper / PILOTS}; "
        "1 older stayed, as they are of more seeds: remove them there to replace them\n"
    )


def test_damaged_pilots_are_named(tmp_path: Path) -> None:
    path = tmp_path / "pilots.yaml"
    assert load_pilots(path) == {}
    for text in ("a: [", "a: {smoke: {noise: 1}}", "[1]"):
        path.write_text(text)
        with pytest.raises(ValueError, match="is no file of pilots"):
            load_pilots(path)


@pytest.mark.parametrize("path", PAPERS, ids=lambda path: path.parent.name)
def test_the_pilots_of_a_paper_are_in_the_units_of_its_claims(path: Path) -> None:
    claims = load_claims(path)
    for name, scales in load_pilots(path.with_name(PILOTS)).items():
        resolution = claims[name].resolution
        assert resolution is not None
        for scale, found in scales.items():
            assert found.deviation < 10 * resolution, f"{name} at {scale}: {found} against a resolution of {resolution}"
