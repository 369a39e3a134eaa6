"""The models of a server: which are registered, which are loaded, and how they come and go while requests run.

A model is loaded by its first request, or by an operator, in a thread of its own, so that requests for others go on. It
is unloaded by an operator, after a long idle time, or when another one needs its memory, but never while a request uses
it. Each model must give its stored answer to the stored picture before it is ready.
"""

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import anyio.to_thread

from maskery.core.card import ModelCard
from maskery.core.errors import Busy, ChecksumError, ConfigError, MaskeryError, ModelError, UnknownModel, nearest
from maskery.core.picture import decode
from maskery.core.process_memory import give_back, resident_bytes
from maskery.core.result.capabilities import HasClasses, HasInstances, HasScores, Result, capable, expect
from maskery.core.settings import Settings
from maskery.inference.pipeline import Model
from maskery.inference.planning.footprint import measure_batch
from maskery.inference.prompts.embedding_cache import EmbeddingCache
from maskery.inference.tasks.registry import task_of
from maskery.models.store import CHECK_PICTURE, Located, Store, is_path
from maskery.serving.telemetry.status import Change, State

log = logging.getLogger("maskery")


def check(model: Model, picture: Path = CHECK_PICTURE) -> str:
    """Run the stored picture and compare with the card's stored answer: "ok", or what is wrong."""
    try:
        opened = decode.open_picture(picture, max_bytes=1 << 24, max_pixels=1 << 24)
        result = model.run(opened, task_of(model.card).check_options)
        expected = model.card.check
        wrong = _differences(result, expected.shares, expected.tolerance) if expected else []
    except MaskeryError as error:
        raise ModelError(f"{model.card.name} failed its check: {error}", "See the cause.") from error
    if wrong:
        log.error("%s does not give its stored answer: %s", model.card.name, "; ".join(wrong))
    return "; ".join(wrong) or "ok"


def _differences(result: Result, expected: dict[str, float], tolerance: float) -> list[str]:
    if scored := capable(result, HasScores):
        first = scored.top(1)[0][0]
        return [] if first in expected else [f"first class is {first!r}, expected {', '.join(expected)}"]
    listed = capable(result, HasInstances)
    if listed and not capable(result, HasClasses):
        return _other_objects(listed, expected, tolerance)
    shares = {item.name: item.share for item in expect(result, HasClasses).classes}
    return [
        f"{name} covers {shares.get(name, 0.0):.3f}, expected {share:.3f}"
        for name, share in expected.items()
        if abs(shares.get(name, 0.0) - share) > tolerance
    ]


def _other_objects(result: HasInstances, expected: dict[str, float], tolerance: float) -> list[str]:
    """Of single objects the stored numbers are the scores of the surest of each class."""
    best: dict[str, float] = {}
    for one in result.instances:
        best.setdefault(result.meta.labels[one.class_id], one.score)
    return [
        f"the surest {name} has the score {best.get(name, 0.0):.3f}, expected {score:.3f}"
        for name, score in expected.items()
        if abs(best.get(name, 0.0) - score) > tolerance
    ]


# What a model takes that was never loaded: its file, the runtime's own copy, and half of it to work with.
LOADED_PER_FILE_BYTE = 2.5


@dataclass(eq=False, kw_only=True)
class PooledModel:
    """One model of the server.

    Attributes:
        located: its card and files.
        state: loaded or not, sound or not.
        reason: why it is in its state.
        model: the loaded model; None where it is not loaded.
        running: requests that use it now.
        last_used: when the last request ended, of ``time.monotonic``; 0 = never.
        bytes: what loading it added to the process.
        batch: pictures that go together: 1 until it was measured.
        batch_ms: measured milliseconds per picture by batch size; None = not measured yet.
        changes: the last ten loads and unloads, the newest last.
        loading: held while it is loaded or unloaded.
    """

    located: Located
    state: State = "unloaded"
    reason: str = "not asked for yet"
    model: Model | None = None
    running: int = 0
    last_used: float = 0.0
    bytes: int = 0
    batch: int = 1
    batch_ms: dict[int, float] | None = None
    changes: list[Change] = field(default_factory=list)
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def card(self) -> ModelCard:
        return self.located.card

    @property
    def key(self) -> str:
        """NAME@VERSION, of which a server has one."""
        return f"{self.card.name}@{self.card.version}"


class _Use(NamedTuple):
    """Requests that use a model now, and when the last one ended."""

    running: int
    last: float


class Loader(Protocol):
    """Finds and opens models; ``maskery.models.loading.ModelLoader``."""

    store: Store
    embeddings: EmbeddingCache[Any]

    def locate(self, name: str) -> Located:
        """The card and files of a model that can answer."""

    def open(self, located: Located) -> Model:
        """The model, loaded."""


class ModelPool:
    """All models of a server. Used from the event loop; what reads files or loads runs in threads.

    ``on_change`` is called after each load and unload, in the thread that did it.
    """

    def __init__(
        self, settings: Settings, loader: Loader, on_change: Callable[[PooledModel, Change], None] | None = None
    ) -> None:
        self._settings, self._loader, self._store = settings, loader, loader.store
        self.embeddings = loader.embeddings
        self._by_key: dict[str, PooledModel] = {}
        self._names: dict[str, str] = {}  # name, NAME@VERSION, alias or operator's path -> key
        self._aliases = _aliases(settings)
        self._on_change = on_change or (lambda pooled, change: None)
        self.default = settings.model[0]
        self.budget: int | None = None
        """Bytes that loaded models may take together; None = no limit."""

    def load_all(self) -> None:
        """Load and check the models of the settings, before serving. Raises the first error."""
        for name in self._settings.model:
            pooled = self._register(self._loader.locate(name), name)
            if pooled.model is None:
                self._load_now(pooled, "asked for at start")
        self.default = self._by_key[self._names[self._settings.model[0]]].card.name
        for alias, name in self._aliases.items():
            if alias in self._names:
                raise ConfigError(f"The alias {alias!r} is a model's name.", "Choose another alias.")
            self._find(name)

    def card(self, name: str | None) -> ModelCard:
        """The card of ``name`` (None = the default), which can answer but need not be loaded. May read files.

        Raises ``UnknownModel``, ``NotPulled``, ``ConfigError``, ``ChecksumError``.
        """
        return self._find(name).card

    def cards(self) -> list[ModelCard]:
        """Every model that can answer now: the default, the other registered ones, those on disk. Reads files."""
        self._register_stored()
        cards = [pooled.card for pooled in self._all]
        return sorted(cards, key=lambda card: card.name != self.default)

    def views(self) -> list[PooledModel]:
        """All registered models with their states, the default first."""
        return sorted(self._all, key=lambda pooled: pooled.card.name != self.default)

    def aliases_of(self, pooled: PooledModel) -> list[str]:
        """The other names that the operator gave it."""
        return [alias for alias, name in self._aliases.items() if self._find(name) is pooled]

    @property
    def ready(self) -> bool:
        """Whether the models of the settings are registered and those that are loaded give their stored answers."""
        pool = [self.registered(name) for name in self._settings.model]
        return all(pooled and pooled.state not in ("wrong", "failed") for pooled in pool)

    @property
    def loaded_bytes(self) -> int:
        """What loading the models that are loaded added to the process."""
        return sum(pooled.bytes for pooled in self._all if pooled.model)

    @property
    def prompted(self) -> bool:
        """Whether a model is loaded that is asked by clicks and boxes."""
        return any(pooled.model and task_of(pooled.card).prompted for pooled in self._all)

    @property
    def _all(self) -> list[PooledModel]:
        return list(self._by_key.values())

    @property
    def states(self) -> dict[str, str]:
        """Name -> "ok" or what is wrong, of the models that are loaded or could not be."""
        shown = [pooled for pooled in self._all if pooled.state in ("ready", "wrong", "failed")]
        return {pooled.card.name: "ok" if pooled.state == "ready" else pooled.reason for pooled in shown}

    @asynccontextmanager
    async def lease(self, name: str | None) -> AsyncIterator[Model]:
        """The model ``name`` (None = the default), loaded, and kept loaded for the time of the block.

        Raises ``UnknownModel``, ``NotPulled``, ``ModelError``.
        """
        pooled = self.registered(name)
        if pooled is None:
            pooled = await anyio.to_thread.run_sync(self._find, name)
        with self._in_use(pooled):
            if pooled.model is None:
                await self._load(pooled, "asked for by a request")
            assert pooled.model is not None
            yield pooled.model

    def loaded(self, key: str) -> Model:
        """The loaded model NAME@VERSION, of which the caller holds a lease."""
        model = self._by_key[key].model
        assert model is not None, f"{key} is not loaded"
        return model

    def batch_of(self, key: str) -> int:
        """How many pictures of this model go together."""
        return self._by_key[key].batch if key in self._by_key else 1

    async def load(self, name: str) -> PooledModel:
        """Load ``name`` for an operator. Raises as ``lease`` does."""
        pooled = await anyio.to_thread.run_sync(self._find, name)
        with self._in_use(pooled):
            await self._load(pooled, "asked for by hand")
            if pooled.batch_ms is None and pooled.model is not None:
                pooled.batch, pooled.batch_ms = await self._measure_batch(pooled)
        return pooled

    async def unload(self, name: str, reason: str = "asked for by hand", timeout: float = 30.0) -> PooledModel:
        """Unload ``name`` once no request uses it. Raises ``UnknownModel``; ``Busy`` after ``timeout`` seconds."""
        pooled = await anyio.to_thread.run_sync(self._find, name)
        async with pooled.loading:
            ends = time.monotonic() + timeout
            while pooled.running and pooled.model is not None:
                if time.monotonic() > ends:
                    raise Busy(f"{name} is at work and was not unloaded.", "Try again later.", 5)
                await asyncio.sleep(0.01)
            if pooled.model is not None:
                await anyio.to_thread.run_sync(self._unload_now, pooled, reason)
        return pooled

    async def unload_idle(self, every: float = 1.0) -> None:
        """Until cancelled: unload what was idle for longer than ``idle_unload`` seconds. The default model stays."""
        limit = self._settings.idle_unload
        while limit:
            await asyncio.sleep(min(every, limit))
            for pooled in self._idle():
                if time.monotonic() - pooled.last_used > limit:
                    await self.unload(pooled.key, f"idle for {limit:g} seconds")

    async def measure_batches(self, quiet: float = 1.0) -> None:
        """Until cancelled: measure whether pictures gain from going together, of each loaded model that lacks it.

        That delays no start and no request: it waits until nothing was asked for ``quiet`` seconds, and what a request
        has disturbed is measured again.
        """
        while True:
            await asyncio.sleep(quiet)
            for pooled in [one for one in self._all if one.batch_ms is None and one.model is not None]:
                before = self._used()
                if before.running or time.monotonic() - before.last < quiet:
                    break
                async with pooled.loading:  # so that it is not unloaded meanwhile
                    measured = await self._measure_batch(pooled) if pooled.model else (1, None)
                if self._used() == before:
                    pooled.batch, pooled.batch_ms = measured

    async def _measure_batch(self, pooled: PooledModel) -> tuple[int, dict[int, float]]:
        assert pooled.model is not None
        card = pooled.card
        by_box = card.objects is not None and bool(card.objects.masks)
        alone = card.detector is not None or task_of(card).prompted or by_box
        most = 1 if alone else self._settings.max_batch
        try:
            return await anyio.to_thread.run_sync(measure_batch, pooled.model.session, pooled.card, most)
        except Exception:  # it answers single pictures all the same, and the others are measured
            log.exception("whether pictures of %s gain from going together could not be measured", pooled.key)
            return 1, {}
        finally:
            give_back()

    def _used(self) -> _Use:
        return _Use(sum(one.running for one in self._all), max(one.last_used for one in self._all))

    @contextmanager
    def _in_use(self, pooled: PooledModel) -> Iterator[None]:
        pooled.running += 1
        try:
            yield
        finally:
            pooled.running -= 1
            pooled.last_used = time.monotonic()

    async def _load(self, pooled: PooledModel, reason: str) -> None:
        async with pooled.loading:
            if pooled.model is not None:
                return
            await self._make_room(pooled)
            pooled.state, pooled.reason = "loading", reason
            await anyio.to_thread.run_sync(self._load_now, pooled, reason)

    async def _make_room(self, newcomer: PooledModel) -> None:
        """Unload the models used longest ago until ``newcomer`` fits the budget. Raises ``Busy`` where it cannot."""
        if self.budget is None:
            return
        need = newcomer.bytes or int(newcomer.located.bytes * LOADED_PER_FILE_BYTE)
        while (loaded := self.loaded_bytes) + need > self.budget:
            idle = [pooled for pooled in self._idle() if pooled is not newcomer]
            if not idle:
                raise Busy(
                    f"{newcomer.card.name} needs {need >> 20} MiB, and {loaded >> 20} of {self.budget >> 20} MiB for "
                    "models are taken by models at work.",
                    "Try again later, or give the server more --memory.",
                )
            await self.unload(min(idle, key=lambda pooled: pooled.last_used).key, f"room for {newcomer.card.name}")

    def _idle(self) -> list[PooledModel]:
        """Loaded, used by no request, and not the default model."""
        loaded = [pooled for pooled in self._all if pooled.model is not None]
        return [pooled for pooled in loaded if not pooled.running and pooled.card.name != self.default]

    def _load_now(self, pooled: PooledModel, reason: str) -> None:
        """Open, check and measure; in a thread, or before serving."""
        before, started = resident_bytes(), time.perf_counter()
        pooled.state = "loading"
        try:
            model = self._loader.open(pooled.located)
            model = model.measured()
            checked = check(model)
        except MaskeryError as error:
            pooled.state, pooled.reason = "failed", str(error)
            raise
        pooled.model, pooled.last_used = model, time.monotonic()
        pooled.state, pooled.reason = ("ready", reason) if checked == "ok" else ("wrong", checked)
        give_back()  # what loading, checking and measuring took for a moment
        after = resident_bytes()
        pooled.bytes = max(pooled.bytes, after - before, pooled.located.bytes)
        seconds = time.perf_counter() - started
        self._record(pooled, Change(what="loaded", reason=reason, rss_before=before, rss_after=after, seconds=seconds))
        device, runtime = model.session.device, model.session.runtime
        log.info("loaded %s on %s (asked for: %s; %s)", pooled.key, device, self._settings.device, runtime)

    def _unload_now(self, pooled: PooledModel, reason: str) -> None:
        before, started = resident_bytes(), time.perf_counter()
        pooled.model, pooled.state, pooled.reason = None, "unloaded", reason
        self.embeddings.forget(pooled.key)
        gc.collect()
        give_back()
        after = resident_bytes()
        seconds = time.perf_counter() - started
        self._record(
            pooled, Change(what="unloaded", reason=reason, rss_before=before, rss_after=after, seconds=seconds)
        )
        log.info("unloaded %s (%s): %d -> %d MiB resident", pooled.key, reason, before >> 20, after >> 20)

    def _record(self, pooled: PooledModel, change: Change) -> None:
        pooled.changes = [*pooled.changes[-9:], change]
        self._on_change(pooled, change)

    def registered(self, name: str | None) -> PooledModel | None:
        """The model of a name, NAME@VERSION or alias where that is registered already; reads no file."""
        return self._by_key.get(self._names.get(self._resolve(name), ""))

    def _resolve(self, name: str | None) -> str:
        """The name that an alias stands for, of the default model for None."""
        return self._aliases.get(name or self.default, name or self.default)

    def _find(self, name: str | None) -> PooledModel:
        """The model of a name, NAME@VERSION or alias, looked for on disk where it is not registered yet."""
        if found := self.registered(name):
            return found
        wanted = self._resolve(name)
        if is_path(wanted):
            raise UnknownModel(f"There is no model {wanted!r}.", "Name one of GET /v1/models.")
        plain, _, version = wanted.partition("@")
        try:
            located = self._loader.locate(plain)
        except UnknownModel as error:
            known = [name for name in (*self._names, *self._aliases, *self._store.names()) if not is_path(name)]
            raise UnknownModel(f"There is no model {wanted!r}.", nearest(wanted, dict.fromkeys(known))) from error
        except (ConfigError, ChecksumError) as error:
            log.warning("model %s cannot be used: %s", plain, error)
            raise UnknownModel(f"The model {plain!r} is damaged here.", "Its operator finds why in the log.") from error
        if version and version != located.card.version:
            versions = [pooled.card.version for pooled in self._all if pooled.card.name == plain]
            have = ", ".join(dict.fromkeys([*versions, located.card.version]))
            raise UnknownModel(f"{plain} has no version {version!r} here.", f"Versions: {have}.")
        return self._register(located, wanted)

    def _register(self, located: Located, name: str) -> PooledModel:
        """The pooled model, by ``name`` from now on. Raises ``ConfigError`` where its key is another model's."""
        pooled = PooledModel(located=located)
        same = self._by_key.get(pooled.key)
        if same is not None and same.card.sha256 != pooled.card.sha256:
            raise ConfigError(f"Two different models are called {pooled.key}.", "Give one another name or version.")
        pooled = self._by_key.setdefault(pooled.key, pooled)
        self._names.setdefault(pooled.card.name, pooled.key)  # of several versions the first is meant
        self._names[pooled.key] = self._names[name] = pooled.key
        return pooled

    def _register_stored(self) -> None:
        """Register the models that are on disk."""
        for name in self._store.names():
            try:
                entry = self._store.entry(name)
                if entry.state != "available" and task_of(entry.card).results:
                    self._find(name)
            except MaskeryError as error:
                log.warning("model %s is left out: %s", name, error)


def _aliases(settings: Settings) -> dict[str, str]:
    """ALIAS=NAME pairs. Raises ``ConfigError``."""
    pairs = [text.partition("=") for text in settings.alias]
    for alias, equals, name in pairs:
        if not (alias and equals and name) or is_path(alias):
            raise ConfigError(f"alias {alias + equals + name!r} is not ALIAS=NAME.", "Write best=everyday, say.")
    return {alias: name for alias, _, name in pairs}
