"""Faults of which one test tries many."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.table import FAULTS
from tests.harness.toy_session import Session

Count = Callable[..., None]


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Count:
    """Count faults of a kind that were tried and survived; all of them have to be survived."""

    def add(kind: str, tried: int, survived: int, *failures: str) -> None:
        request.node.user_properties.append((FAULTS, [kind, tried, survived]))  # reports bring it from any process
        assert survived == tried, "\n".join(failures)

    return add


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)
