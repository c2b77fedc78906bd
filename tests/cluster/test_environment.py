"""The lock file and the recipes of containers: they agree with the project and with what the kept results say."""

from __future__ import annotations

import importlib.metadata
import json
import re
import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.harness.toy_session import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAME = PROJECT["name"]
LINES = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
LOCK = {canonicalize_name(name): version for name, version in (line.split("==") for line in LINES)}
OF_PIP = {"pip", "setuptools", "wheel"}  # which pip freeze leaves out
INSTRUCTIONS = {"FROM", "WORKDIR", "COPY", "RUN", "ENTRYPOINT", "CMD"}


def required() -> Iterator[Requirement]:
    """Yield what the project and its extras ask for."""
    for text in (
        *PROJECT["dependencies"],
        *(text for each in PROJECT["optional-dependencies"].values() for text in each),
    ):
        if (requirement := Requirement(text)).name != NAME:
            yield requirement


def missing(requirement: Requirement) -> bool:
    version = LOCK.get(canonicalize_name(requirement.name))
    return version is None or not requirement.specifier.contains(version, prereleases=True)


def test_the_lock_has_all_that_the_project_asks_for() -> None:
    assert [str(requirement) for requirement in required() if missing(requirement)] == []


def test_the_lock_has_all_that_this_asks_for_in_turn() -> None:
    """Of the packages that are installed here at their locked version."""
    lacking, looked = [], 0
    for name, version in LOCK.items():
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if found.version != version:
            continue
        looked += 1
        asked = [Requirement(text) for text in found.requires or []]
        plain = [each for each in asked if each.marker is None or each.marker.evaluate({"extra": ""})]
        lacking += [f"{name}: {each}" for each in plain if each.name not in OF_PIP and missing(each)]
    if not looked:
        pytest.skip("nothing is installed here at its locked version")
    assert lacking == []


def test_the_lock_has_one_exact_version_of_each_in_order() -> None:
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!-]+", line) for line in LINES)
    assert len(LOCK) == len(LINES)
    assert not OF_PIP & LOCK.keys()
    assert list(LOCK) == sorted(LOCK)


def test_the_kept_results_were_made_with_what_is_locked() -> None:
    document = json.loads((ROOT / "results" / "baseline" / "smoke" / "verdicts.json").read_text())
    assert document["sessions"]
    for session in document["sessions"].values():
        of_others = {name: version for name, version in session["versions"].items() if name != NAME}
        named = {canonicalize_name(name): version.split("+")[0] for name, version in of_others.items()}
        assert named == {name: LOCK[name] for name in named}
        assert session["python"].startswith("3.11.")


def test_the_docker_file_installs_the_lock_then_the_project() -> None:
    text = (ROOT / "docs" / "cluster" / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    parsed = [tuple(line.split(maxsplit=1)) for line in lines]
    assert {instruction for instruction, _ in parsed} <= INSTRUCTIONS
    assert parsed[0] == ("FROM", "python:3.11-slim")
    assert [json.loads(rest) for name, rest in parsed if name in ("ENTRYPOINT", "CMD")] == [
        ["pytest"],
        ["reproductions/"],
    ]
    for name, rest in parsed:
        sources = rest.split()[:-1] if name == "COPY" else []
        assert all((ROOT / source).exists() for source in sources)
    runs = [rest for name, rest in parsed if name == "RUN"]
    assert [run.split(" ", 3)[:2] for run in runs] == [["pip", "install"]] * 2
    assert "-r requirements.lock" in runs[0]
    assert runs[1].endswith("--no-deps -e .")


def test_the_apptainer_recipe_does_the_same() -> None:
    text = (ROOT / "docs" / "cluster" / "reproductions.def").read_text()
    head, *sections = re.split(r"^%(\w+)\n", text, flags=re.MULTILINE)
    fields = dict(line.split(": ") for line in head.splitlines() if line and not line.startswith("#"))
    assert fields == {"Bootstrap": "docker", "From": "python:3.11-slim"}
    bodies = dict(zip(sections[::2], sections[1::2], strict=True))
    assert list(bodies) == ["files", "post", "runscript"]
    assert bodies["files"].split() == [".", "/suite"]
    assert [line.strip() for line in bodies["post"].strip().splitlines()] == [
        "pip install --no-cache-dir -r /suite/requirements.lock",
        "pip install --no-cache-dir --no-deps -e /suite",
    ]
    assert re.search(r'^\s+exec pytest .*"\$@"$', bodies["runscript"], re.MULTILINE)
