"""What many tests share."""

import os
from collections.abc import Generator, Iterator

import pytest

from maskery.core.settings import PREFIX
from tests.serving.live import Server

THREADS = f"{PREFIX}THREADS"
PARALLEL = "PYTEST_XDIST_WORKER" in os.environ
if PARALLEL:
    # As many threads as workers, not their square. torch reads the one when it is imported, servers the other.
    os.environ["OMP_NUM_THREADS"] = os.environ[THREADS] = "1"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees the user's settings or writes to the user's cache."""
    for name in [n for n in os.environ if n.startswith(PREFIX) and not (PARALLEL and n == THREADS)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MASKERY_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def plain_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server process with the default settings, for all tests that leave it as it is."""
    server = Server(MASKERY_CACHE=str(tmp_path_factory.mktemp("plain")))
    yield server
    server.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked ``slow`` come first, so that no worker waits for another at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Workers send reports as UTF-8: what a test logged may be no text."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report
