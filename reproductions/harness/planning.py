"""The part of the pytest plugin that plans seeds: with ``--seeds auto`` a module has as many as its claims need."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from reproductions.harness.session import SESSION, claim_of, claims_of
from reproductions.harness.terminal import wrapped
from reproductions.harness.verdicts import families, plans
from reproductions.harness.verdicts.claims import Claim


@pytest.hookimpl(trylast=True)
def pytest_report_collectionfinish(config: pytest.Config, items: Sequence[pytest.Item]) -> list[str]:
    """Say how many seeds are planned for the modules that are left, and why."""
    plans = config.stash[SESSION].plans
    modules = filter(None, dict.fromkeys(item.getparent(pytest.Module) for item in items))
    planned = {f"{each.path.parent.name}/{each.path.stem}": plans.get(each.obj.__name__) for each in modules}
    return wrapped(config, (f"{place}: {plan.sentence}" for place, plan in planned.items() if plan))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Plan the seeds of each module from the pilots of its claims, before ``-k`` deselects some of them."""
    session = config.stash[SESSION]
    if session.settings.seeds_given:
        return
    modules: dict[pytest.Module, list[Claim]] = {}
    for item in items:
        module, claim = item.getparent(pytest.Module), claim_of(item)
        if module and claim and hasattr(module.obj, "experiments"):
            modules.setdefault(module, []).append(claim)
    for module, claims in modules.items():
        path, known = claims_of(module)
        try:
            pilots = plans.load_pilots(path.with_name(plans.PILOTS))
        except ValueError as error:
            raise pytest.UsageError(str(error)) from None
        if plan := plans.plan(claims, pilots, session.settings.scale, families.sizes(known.values())):
            session.plans[module.obj.__name__] = plan
