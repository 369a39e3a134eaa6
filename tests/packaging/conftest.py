"""Deployments without the weight of their wheels, where a test is about other files."""

import pytest

from maskery.packaging import context


@pytest.fixture
def no_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contexts are written with the wheel of click only."""
    all_of_them = context.closure
    light = [one for one in all_of_them() if one.metadata["Name"] == "click"]
    monkeypatch.setattr(context, "closure", lambda _: light)
