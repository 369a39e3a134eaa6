"""The start of the server: what is loaded, once, and what its process may take."""

import logging
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.testclient import TestClient

from maskery.core.errors import ConfigError
from maskery.core.settings import Settings
from maskery.inference.pipeline import Model
from maskery.models.store import Located, Store
from maskery.serving import server
from maskery.serving.app import create_app
from maskery.serving.runtime.memory_budget import MemoryLimit

MIB = 1 << 20
STARTED = """
import sys
from maskery.core.settings import Settings
from maskery.serving.app import create_app
app = create_app(Settings())
app.state.service.load_all()
print(app.state.service.pool.ready, *sys.modules)
"""


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often models are looked for, and loaded and measured."""
    counts: Counter[str] = Counter()
    locate, measured = Store.locate, Model.measured

    def counted_locate(store: Store, name: str) -> Located:
        counts["located"] += 1
        return locate(store, name)

    def counted_measured(model: Model) -> Model:
        counts["loaded"] += 1
        return measured(model)

    monkeypatch.setattr(Store, "locate", counted_locate)
    monkeypatch.setattr(Model, "measured", counted_measured)
    return counts


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Starlette]:
    """Applications that uvicorn was given: each is started and ended, without listening."""
    apps: list[Starlette] = []

    async def serve(uvicorn_server: uvicorn.Server, sockets: object = None) -> None:
        app = uvicorn_server.config.app
        assert isinstance(app, Starlette)
        async with app.router.lifespan_context(app):
            apps.append(app)

    monkeypatch.setattr(uvicorn.Server, "serve", serve)
    return apps


def limit_of(app: Starlette) -> MemoryLimit:
    limit: MemoryLimit = app.state.service.memory_limit
    return limit


def test_the_server_loads_its_models_once(counts: Counter[str], started: list[Starlette], tmp_path: Path) -> None:
    server.serve(Settings(port=0, cache=str(tmp_path)), print)
    assert len(started) == 1
    assert counts == {"located": 1, "loaded": 1}


def test_an_embedded_application_loads_them_once_at_its_own_start(counts: Counter[str], tmp_path: Path) -> None:
    app = create_app(Settings(cache=str(tmp_path)))
    assert counts == {}
    with TestClient(app) as client:
        assert client.get("/readyz").json()["ready"]
    assert counts == {"located": 1, "loaded": 1}


def test_the_container_limits_a_server_that_has_no_limit_of_its_own(
    started: list[Starlette], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "container_limit", lambda: 1 << 40)
    with caplog.at_level(logging.INFO, "maskery"):
        server.serve(Settings(port=0), print)
    assert "the container's limit; --memory none switches it off" in caplog.text
    server.serve(Settings(port=0, memory="1TB"), print)
    server.serve(Settings(port=0, memory="none"), print)
    assert [limit_of(app) for app in started] == [
        MemoryLimit(1 << 40, "container"),
        MemoryLimit(10**12, "setting"),
        MemoryLimit(None, "none"),
    ]


def test_a_container_that_is_too_small_ends_the_start_with_a_cure(
    started: list[Starlette], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "container_limit", lambda: 30 * MIB)
    with pytest.raises(ConfigError, match=r"Give at least .*--memory none"):
        server.serve(Settings(port=0), print)
    assert started == []


def test_an_address_that_is_taken_says_so(started: list[Starlette]) -> None:
    with pytest.raises(ConfigError, match="Choose another --port or --host"):
        server.serve(Settings(host="192.0.2.1"), print)
    assert started == []


def test_the_start_does_not_wait_for_what_only_some_requests_need() -> None:
    """What fetches addresses, reads in bands or finds faces is loaded by the first request that asks for it."""
    done = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True, check=True)
    ready, *loaded = done.stdout.split()
    assert ready == "True"
    assert not {"h11", "pyvips", "numpy.random", "maskery.inference.faces"} & set(loaded)
