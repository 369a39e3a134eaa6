"""What many tests share."""

import os
from collections.abc import Iterator

import pytest

from maskery.core.settings import PREFIX
from tests.serving.live import Server


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees the user's settings or writes to the user's cache."""
    for name in [n for n in os.environ if n.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MASKERY_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def plain_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server process with the default settings, for all tests that leave it as it is."""
    server = Server(MASKERY_CACHE=str(tmp_path_factory.mktemp("plain")))
    yield server
    server.stop()
