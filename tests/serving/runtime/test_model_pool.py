"""Many models in one process: names, states, loading, unloading."""

import asyncio
import shutil
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from maskery.core.card import ModelCard
from maskery.core.errors import Busy, ConfigError, MaskeryError, ModelError, UnknownModel
from maskery.core.settings import Settings
from maskery.inference.pipeline import Model
from maskery.models.catalog import builtin
from maskery.models.loading import ModelLoader
from maskery.models.store import Located, Store
from maskery.serving.runtime import model_pool
from maskery.serving.runtime.model_pool import Change, ModelPool, PooledModel


def run(body: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), 60))  # type: ignore[arg-type]


@pytest.fixture
def cache(tmp_path: Path) -> str:
    """A cache with three more models of one's own: copies of the built-in one."""
    settings = Settings(cache=str(tmp_path / "cache"))
    store = Store(settings)
    located = store.locate("everyday")
    for name in ("a", "b", "c"):
        store.add(located.path, msgspec.structs.replace(located.card, name=name))
    return settings.cache


def copy_of_everyday(folder: Path, version: str) -> str:
    shutil.copytree(builtin()["everyday"], folder)
    card = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(card.replace('version = "1.0.0"', f'version = "{version}"', 1))
    return str(folder)


def pool_of(settings: Settings, on_change: Callable[[PooledModel, Change], None] | None = None) -> ModelPool:
    return ModelPool(settings, ModelLoader(settings), on_change)


def states(pool: ModelPool) -> dict[str, str]:
    return {pooled.card.name: pooled.state for pooled in pool.views()}


def test_a_model_is_loaded_by_its_first_request_and_once_for_many(cache: str) -> None:
    loads: list[str] = []
    pool = pool_of(Settings(cache=cache), lambda pooled, change: loads.append(pooled.card.name))
    pool.load_all()

    async def ask(name: str) -> str:
        async with pool.lease(name) as model:
            return model.card.name

    async def body() -> None:
        assert await asyncio.gather(*[ask("a") for _ in range(5)]) == ["a"] * 5
        assert states(pool) == {"everyday": "ready", "a": "ready"}
        pool.cards()
        others = dict.fromkeys((*builtin(), "b", "c"), "unloaded")
        assert states(pool) == {**others, "everyday": "ready", "a": "ready"}

    run(body)
    assert loads == ["everyday", "a"]


def test_aliases_and_versions(cache: str, tmp_path: Path) -> None:
    paths = tuple(copy_of_everyday(tmp_path / version, version) for version in ("2.0.0", "2.1.0"))
    pool = pool_of(Settings(cache=cache, model=(*paths, "a"), alias=("best=everyday@2.1.0", "quick=b")))
    pool.load_all()
    assert pool.default == "everyday"
    assert pool.card(None).version == "2.0.0"
    assert pool.card("everyday").version == "2.0.0"
    assert pool.card("everyday@2.1.0").version == "2.1.0"
    assert pool.card("best").version == "2.1.0"
    assert pool.card("quick").name == "b"
    with pytest.raises(UnknownModel, match="no version '7'"):
        pool.card("everyday@7")
    with pytest.raises(UnknownModel, match="Did you mean 'best'"):
        pool.card("bost")
    with pytest.raises(UnknownModel):
        pool.card(str(tmp_path / "3.0.0"))
    assert [pool.aliases_of(r) for r in pool.views()][1] == ["best"]


@pytest.mark.parametrize(
    ("alias", "message"),
    [("best", "is not ALIAS=NAME"), ("everyday=a", "is a model's name"), ("x=nothing", "no model")],
)
def test_wrong_aliases_end_the_start(cache: str, alias: str, message: str) -> None:
    with pytest.raises(MaskeryError, match=message):
        pool_of(Settings(cache=cache, alias=(alias,))).load_all()


def test_two_different_models_of_one_name_and_version(cache: str, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    path = copy_of_everyday(folder, "1.0.0")
    file = folder / "everyday.onnx"
    file.write_bytes(file.read_bytes() + b"\0")
    import hashlib

    card = (folder / "model.toml").read_text()
    old = Store(Settings(cache=cache)).locate("everyday").card
    data = file.read_bytes()
    card = card.replace(old.sha256, hashlib.sha256(data).hexdigest()).replace(
        f"bytes = {old.bytes}", f"bytes = {len(data)}"
    )
    (folder / "model.toml").write_text(card)
    with pytest.raises(ConfigError, match="Two different models"):
        pool_of(Settings(cache=cache, model=("everyday", path))).load_all()


def test_unloading_gives_memory_back_and_waits_for_the_running(cache: str) -> None:
    changes: list[tuple[str, Change]] = []
    pool = pool_of(Settings(cache=cache), lambda pooled, change: changes.append((pooled.card.name, change)))
    pool.load_all()

    async def body() -> None:
        loaded = await pool.load("a")
        assert loaded.state == "ready"
        async with pool.lease("a") as model:
            with pytest.raises(Busy, match="at work"):
                await pool.unload("a", timeout=0.05)
            assert model.card.name == "a"
            del model  # or its memory could not be given back
            waiting = asyncio.ensure_future(pool.unload("a"))
            await asyncio.sleep(0.05)
            assert not waiting.done()
        gone = await waiting
        assert (gone.state, gone.model, gone.reason) == ("unloaded", None, "asked for by hand")
        async with pool.lease("a"):
            assert states(pool)["a"] == "ready"

    run(body)
    assert [(name, change.what) for name, change in changes] == [
        ("everyday", "loaded"), ("a", "loaded"), ("a", "unloaded"), ("a", "loaded"),
    ]  # fmt: skip
    unloaded = changes[2][1]
    assert 0 < unloaded.rss_after < unloaded.rss_before


def test_idle_models_go_and_the_default_stays(cache: str) -> None:
    pool = pool_of(Settings(cache=cache, idle_unload=0.1))
    pool.load_all()

    async def body() -> None:
        await pool.load("a")
        tending = asyncio.ensure_future(pool.unload_idle(every=0.02))
        while states(pool)["a"] == "ready":
            await asyncio.sleep(0.02)
        assert states(pool) == {"everyday": "ready", "a": "unloaded"}
        assert "idle" in pool.views()[1].reason
        tending.cancel()

    run(body)


def test_batches_are_measured_when_nothing_is_asked_for(cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def measured(session: object, card: ModelCard, most: int) -> tuple[int, dict[int, float]]:
        seen.append(card.name)
        return most, {1: 2.0, 2: 1.0}

    monkeypatch.setattr(model_pool, "measure_batch", measured)
    pool = pool_of(Settings(cache=cache, max_batch=4))
    pool.load_all()

    async def body() -> None:
        assert (pool.views()[0].batch, pool.views()[0].batch_ms, seen) == (1, None, [])
        async with pool.lease(None):
            tending = asyncio.ensure_future(pool.measure_batches(quiet=0.02))
            await asyncio.sleep(0.2)
            assert seen == []
        while pool.views()[0].batch_ms is None:
            await asyncio.sleep(0.02)
        assert pool.views()[0].batch == 4
        await asyncio.sleep(0.1)
        assert (await pool.load("a")).batch_ms == {1: 2.0, 2: 1.0}
        assert seen == ["everyday", "a"]
        tending.cancel()

    run(body)


def test_a_measurement_that_a_request_disturbs_is_made_again(cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    going, go = threading.Event(), threading.Event()

    def measured(session: object, card: ModelCard, most: int) -> tuple[int, dict[int, float]]:
        runs.append(most)
        going.set()
        go.wait(20)
        return len(runs), {}

    monkeypatch.setattr(model_pool, "measure_batch", measured)
    pool = pool_of(Settings(cache=cache))
    pool.load_all()

    async def body() -> None:
        tending = asyncio.ensure_future(pool.measure_batches(quiet=0.02))
        while not going.is_set():
            await asyncio.sleep(0.01)
        async with pool.lease(None):
            go.set()
        while pool.views()[0].batch_ms is None:
            await asyncio.sleep(0.01)
        assert (pool.views()[0].batch, len(runs)) == (2, 2)
        tending.cancel()

    run(body)


def test_a_measurement_that_fails_leaves_single_pictures(cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(session: object, card: ModelCard, most: int) -> tuple[int, dict[int, float]]:
        raise ValueError("a fault")

    monkeypatch.setattr(model_pool, "measure_batch", measured)
    pool = pool_of(Settings(cache=cache))
    pool.load_all()

    async def body() -> None:
        tending = asyncio.ensure_future(pool.measure_batches(quiet=0.02))
        while pool.views()[0].batch_ms is None:
            await asyncio.sleep(0.01)
        assert (pool.views()[0].batch, tending.done()) == (1, False)
        tending.cancel()

    run(body)


def test_the_one_used_longest_ago_makes_room(cache: str) -> None:
    pool = pool_of(Settings(cache=cache))
    pool.load_all()

    def weigh(pooled: PooledModel, change: Change) -> None:
        pooled.bytes = 20_000_000

    pool._on_change = weigh
    pool.views()[0].bytes = 20_000_000
    pool.budget = 65_000_000

    async def body() -> None:
        for name in ("a", "b", "a", "c"):
            async with pool.lease(name):
                pass
        assert states(pool) == {"everyday": "ready", "a": "ready", "b": "unloaded", "c": "ready"}
        async with pool.lease("a"), pool.lease("c"):
            with pytest.raises(Busy, match="at work"):
                await pool.load("b")

    run(body)


def test_loading_does_not_hold_up_the_loaded(cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pool_of(Settings(cache=cache))
    pool.load_all()
    go = threading.Event()
    original = ModelLoader.open

    def slow(loader: ModelLoader, located: Located) -> Model:
        go.wait(10)
        return original(loader, located)

    monkeypatch.setattr(ModelLoader, "open", slow)

    async def body() -> None:
        loading = asyncio.ensure_future(pool.load("a"))
        await asyncio.sleep(0.05)
        assert states(pool)["a"] == "loading"
        for _ in range(5):
            async with pool.lease(None) as model:
                assert model.card.name == "everyday"
        assert not loading.done()
        go.set()
        assert (await loading).state == "ready"

    run(body)


def test_a_model_that_cannot_be_loaded_says_why_and_harms_nobody(cache: str) -> None:
    place = Path(cache) / "models" / "a"
    file = place / "everyday.onnx"
    file.write_bytes(bytes(file.stat().st_size))
    pool = pool_of(Settings(cache=cache))
    pool.load_all()

    async def body() -> None:
        with pytest.raises(ModelError, match="cannot load"):
            await pool.load("a")
        assert states(pool)["a"] == "failed"
        assert pool.ready
        async with pool.lease(None):
            pass

    run(body)
