"""Workers of pytest-xdist: tests of a paper do without, as a session of theirs has all cores for its ranks."""

from __future__ import annotations

import pytest

from reproductions.harness.entry import claims_above, has_claims


def refuse_workers(config: pytest.Config) -> None:
    """Refuse ``-n`` if a folder given to pytest has a claims file in, above or below it.

    Within the project's ``testpaths``, claims below it are test data and do not count.

    Raises
    ------
    pytest.UsageError
        If it is given.
    """
    workers = getattr(config.option, "numprocesses", None)
    own = [config.rootpath / name for name in config.getini("testpaths")]
    for argument in config.args if workers else ():
        place = (config.invocation_params.dir / str(argument).split("::")[0]).resolve()
        material = any(place.is_relative_to(folder) for folder in own)
        if claims_above(place) if material else has_claims(place):
            raise pytest.UsageError(
                f"-n {workers} would start as many sessions, but one session uses all cores: "
                "leave it out and give --ranks"
            )
