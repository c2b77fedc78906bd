"""Damaged documents: each is one sentence or as valid as it looks, and none is a traceback."""

from __future__ import annotations

import datetime
import json
import random
import re
import warnings
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml

from reproductions.__main__ import main
from reproductions.harness.runs import checkpoints
from reproductions.harness.runs.progress import RERUN, _names
from reproductions.harness.runs.provenance import provenance
from reproductions.harness.runs.store import RunStore
from reproductions.harness.verdicts import families, kept, plans
from reproductions.harness.verdicts.claims import Claim, ClaimsError, load_claims
from reproductions.harness.verdicts.record import VERDICTS, Verdict
from reproductions.harness.verdicts.table import table
from reproductions.report.errors import ReportError
from reproductions.report.papers import load_papers
from tests.faults import mutations
from tests.faults.conftest import Count
from tests.harness.toy_experiments import Toy
from tests.harness.toy_session import TOY
from tests.report.generated import write_papers, write_results

pytestmark = pytest.mark.fault  # each counts its own
QUICK, MANY, PARTS = 200, 1000, 10  # mutations on every change, those of a part, and how many parts a night has
LATER = [range(QUICK, MANY), *(range(part * MANY, (part + 1) * MANY) for part in range(1, PARTS))]
SEEDS = [
    pytest.param(range(QUICK), id="quick"),
    *(pytest.param(seeds, marks=pytest.mark.slow, id=f"from-{seeds.start}") for seeds in LATER),
]
ODD = (None, 1, 1.5, True, datetime.date(2026, 1, 1), ("a", 1))  # keys that YAML has and JSON has not

Write = Callable[[Any], str]
Use = Callable[[Path], str | None]
"""Reads a document; returns the sentence that refuses it, None if it is accepted; checks what it accepts."""


def try_many(
    count: Count, path: Path, document: Any, write: Write, use: Use, seeds: range, name: str | None = None
) -> None:
    """Refuse in one sentence or rightly accept mutations of a document; name the first that is neither."""
    content, failures = write(document).encode(), []
    for seed in seeds:
        if seed % 2:
            path.write_bytes(mutations.of_bytes(content, seed))
        else:
            changed = mutations.of_values(document, seed, ODD if write is to_yaml else ())
            path.write_bytes(write(changed).encode(errors="surrogatepass"))
        try:
            sentence = use(path)
            assert sentence is None or (sentence and "\n" not in sentence and len(sentence) < 1000)
        except (Exception, pytest.fail.Exception) as error:
            failures.append(f"mutation {seed}: {error!r} for {path.read_bytes()[:3000]!r}")
    count(name or path.name, len(seeds), len(seeds) - len(failures), *failures[:1])


def to_yaml(document: Any) -> str:
    return yaml.dump(document, Dumper=yaml.Dumper, allow_unicode=True)


def to_json(document: Any) -> str:
    return json.dumps(document)


# ------------------------------------------------------------------------------------------------------ claims.yaml

CLAIM = yaml.safe_load((TOY / "claims.yaml").read_text())
CLAIM["claims"][0] |= {
    "at": {"arrival": 0.95}, "band": [0.9, 1.1], "no_effect": 2.0, "resolution": 0.5, "readings": {"sum": "of all"},
    "unit": "nats", "note": "as printed", "misprint": "a sign",
}  # fmt: skip
CLAIM["claims"][1] |= {"trend": {"above": "ring", "share": 0.1}, "reduced": "it is above", "rounded": 0.1}


def use_claims(path: Path) -> str | None:
    load_claims.cache_clear()
    try:
        claims = load_claims(path)
    except ClaimsError as error:
        return str(error)
    for name, claim in claims.items():
        assert_claim(name, claim)
    rows = [(claim, Verdict(claim.id, claim.paper, "smoke", "t")) for claim in claims.values()]
    table(rows, 120)
    families.sizes(claims.values())
    return None


def assert_claim(name: str, claim: Claim) -> None:
    assert re.fullmatch(r"[A-Za-z0-9][\w.-]*", name)
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", claim.paper)
    assert claim.kind in ("number", "ordering", "bound", "identity", "rate-exponent", "ratio", "qualitative")
    assert claim.scale in ("any", "paper")
    assert all(isinstance(getattr(claim, field), str) for field in ("source", "quote", "metric", "tolerance", "reason"))
    assert claim.ends is None or claim.ends[0] <= claim.ends[1]
    assert {*claim.deviates, *claim.inconclusive} <= {"smoke", "small", "paper"}
    assert isinstance(claim.reported, str)
    assert families.sizes([claim])[name] >= 1


@pytest.mark.parametrize("seeds", SEEDS)
def test_claims(tmp_path: Path, count: Count, seeds: range) -> None:
    try_many(count, tmp_path / "claims.yaml", CLAIM, to_yaml, use_claims, seeds)


# --------------------------------------------------------------------------------------------------- verdicts.json


def verdicts_document() -> dict[str, Any]:
    here = provenance() | {"time": "1"}
    rows = [Verdict(f"toy-{i}", "toy", "smoke", "t", word, seeds=3) for i, word in enumerate(VERDICTS)]
    claims = [asdict(row) | {"session": "1"} for row in rows]
    claims[0] |= {"interval": [1.0, 2.0], "estimate": 1.5, "confidence": 0.95, "df": 4}
    return {"schema": 2, "provenance": here, "sessions": {"1": here}, "claims": claims}


def use_verdicts(path: Path) -> str | None:
    before = path.read_bytes()
    new = Verdict("toy-new", "toy", "smoke", "t", "reproduced", seeds=3)
    try:
        document = kept.read(path)
    except kept.KeptError as error:
        with pytest.raises(kept.KeptError):
            kept.keep(path, [new], provenance())
        assert path.read_bytes() == before, "what cannot be read is replaced"
        return str(error)
    for row in document["claims"]:
        assert_row(row, document["sessions"])
    kept.keep(path, [new], provenance() | {"time": "2"})
    assert "toy-new" in {row["id"] for row in kept.read(path)["claims"]}
    return None


def assert_row(row: dict[str, Any], sessions: dict[str, Any]) -> None:
    assert re.fullmatch(r"[A-Za-z0-9][\w.-]*", row["id"])
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", row["paper"])
    assert row["scale"] in ("smoke", "small", "paper")
    assert row["verdict"] in VERDICTS
    assert all(type(row[name]) is int and row[name] >= 0 for name in ("seeds", "ranks"))
    assert all(isinstance(row[name], str) for name in ("test", "reason", "found", "workload", "hardware", "time"))
    numbers = [row[name] for name in ("estimate", "confidence", "df")] + list(row["interval"] or [])
    assert all(number is None or type(number) in (int, float) for number in numbers)
    assert row["interval"] is None or len(row["interval"]) == 2
    assert {"commit", "python", "versions", "argv", "time"} <= sessions[row["session"]].keys()
    assert row.keys() == {*(field.name for field in fields(Verdict)), "session"}


@pytest.mark.parametrize("seeds", SEEDS)
def test_verdicts(tmp_path: Path, count: Count, seeds: range) -> None:
    try_many(count, tmp_path / "verdicts.json", verdicts_document(), to_json, use_verdicts, seeds)


@pytest.mark.parametrize(
    "part", [pytest.param(part, marks=[pytest.mark.slow] if part else []) for part in range(PARTS)]
)
def test_reports_of_damaged_verdicts(
    tmp_path: Path, count: Count, part: int, capsys: pytest.CaptureFixture[str]
) -> None:
    papers = write_papers(tmp_path / "papers", papers=1)
    results = write_results(tmp_path / "results", papers, plots=1)
    path = results / "smoke" / "verdicts.json"
    tables = ["--csv", str(tmp_path / "t.csv"), "--latex", str(tmp_path / "t.tex")]
    commands = [["table", str(results), *tables], ["site", str(results), "--to", str(tmp_path / "site")]]
    chance = random.Random(part)

    def use(path: Path) -> str | None:
        code = main([*chance.choice(commands), "--papers", str(papers)])
        printed = capsys.readouterr()
        assert (code, bool(printed.out)) in ((0, True), (2, False))
        assert {each.name for each in tmp_path.iterdir()} <= {"papers", "results", "site", "t.csv", "t.tex"}
        return printed.err.strip() if code else None

    document, seeds = json.loads(path.read_text()), range(60 * part, 60 * (part + 1))
    try_many(count, path, document, to_json, use, seeds, f"reports of {path.name}")


# --------------------------------------------------------------------------------------------- runs and checkpoints

FRAME = pd.DataFrame({"step": [1, 2], "metric": ["loss", "loss"], "value": [1.0, 0.5]})


@pytest.mark.parametrize("seeds", SEEDS)
def test_runs(tmp_path: Path, count: Count, seeds: range) -> None:
    store, stated = RunStore(tmp_path), provenance() | {"ranks": 2, "seconds": 1.5, "workload": "digits"}
    store.save("a", FRAME, stated)
    path = tmp_path / "a" / "run.json"

    def use(path: Path) -> str | None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run = store.load("a", Toy("", 1.0, 0))
        if run is None:
            (warning,) = caught
            return str(warning.message)
        assert run.frame.equals(FRAME)
        assert json.dumps(run.provenance, sort_keys=True) == json.dumps(stated, sort_keys=True)
        return None

    try_many(count, path, json.loads(path.read_text()), to_json, use, seeds)
    store.save("a", FRAME, stated)
    content, path = (tmp_path / "a" / "frame.parquet").read_bytes(), tmp_path / "a" / "frame.parquet"
    survived, few = 0, range(seeds.start // 10, seeds.stop // 10)
    for seed in few:
        path.write_bytes(changed := mutations.of_bytes(content, seed))
        survived += (use(path.with_name("run.json")) is not None) == (changed != content)
    count("frame.parquet", len(few), survived)


@pytest.mark.parametrize("seeds", SEEDS)
def test_checkpoints(tmp_path: Path, count: Count, seeds: range) -> None:
    folder = tmp_path / "a.checkpoint"
    folder.mkdir()
    document = {"schema": 1, "run": folder.name, "step": 1, "of": 2, "files": {"workers-0.pt": "0" * 64}}

    def use(path: Path) -> str | None:
        part = checkpoints.fraction(folder)
        assert part is not None
        assert part >= 0
        with pytest.raises(checkpoints.DamagedError) as caught:  # its file is missing, at best
            checkpoints.Checkpoints(folder).load(range(1), {"x": torch.zeros(1, 2)})
        return " ".join(str(caught.value).split())

    try_many(count, folder / "latest.json", document, to_json, use, seeds)


@pytest.mark.parametrize("seeds", SEEDS)
def test_what_was_made_again(tmp_path: Path, count: Count, seeds: range) -> None:
    def use(path: Path) -> str | None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert all(isinstance(name, str) for name in _names(path))
        return None

    try_many(count, tmp_path / RERUN, ["a" * 24, "b" * 24], to_json, use, seeds)


# ------------------------------------------------------------------------------------------ pilots.yaml, papers.yaml


@pytest.mark.parametrize("seeds", SEEDS)
def test_pilots(tmp_path: Path, count: Count, seeds: range) -> None:
    claims = load_claims(TOY / "claims.yaml").values()
    random_ones = [claim.model_copy(update={"resolution": 0.1}) for claim in claims]
    document = {claim.id: {"smoke": {"deviation": 0.5, "seeds": 8, "date": "2026-01-01"}} for claim in claims}

    def use(path: Path) -> str | None:
        try:
            found = plans.load_pilots(path)
        except ValueError as error:
            return str(error)
        plan = plans.plan(random_ones, found, "smoke")
        assert plan is None or 3 <= plan.seeds <= 32
        return None

    try_many(count, tmp_path / "pilots.yaml", document, to_yaml, use, seeds)


@pytest.mark.parametrize("seeds", SEEDS)
def test_papers(tmp_path: Path, count: Count, seeds: range) -> None:
    def use(path: Path) -> str | None:
        try:
            found = load_papers(tmp_path)
        except ReportError as error:
            return str(error)
        assert all(re.fullmatch(r"[a-z0-9][a-z0-9_-]*", paper.name) for paper in found)
        return None

    document = {"rps": "Yu et al., “Distributed Learning”", "popsgd": "PopSGD"}
    try_many(count, tmp_path / "papers.yaml", document, to_yaml, use, seeds)
