"""Fixtures that the tests of the report share with those of the harness."""

from tests.harness.conftest import session

__all__ = ["session"]
