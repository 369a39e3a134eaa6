"""A server in this process, with the built-in model loaded once."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from maskery.core.settings import Settings
from maskery.serving.app import create_app
from tests.serving.protocols.other_model import quick


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = Settings(cache=str(tmp_path_factory.mktemp("cache")), max_bytes=4_000_000, max_pixels=13_000_000)
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def quick_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The same, with a model that takes next to no time: for thousands of requests."""
    folder = tmp_path_factory.mktemp("quick")
    settings = Settings(cache=str(folder), model=(str(quick(folder)),), max_bytes=4_000_000, max_pixels=13_000_000)
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client
