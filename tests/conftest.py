"""What many tests share."""

import os

import pytest

from maskery.core.settings import PREFIX


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees the user's settings or writes to the user's cache."""
    for name in [n for n in os.environ if n.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MASKERY_CACHE", str(tmp_path_factory.mktemp("cache")))
