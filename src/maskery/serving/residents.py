"""The models of a server: which are known, which are loaded, and how they come and go while requests run.

A model is loaded by its first request, or by hand, in a thread of its own, so that requests for others go on. It is
unloaded by hand, when it was idle for long, or when another one needs its memory, but never under a running request.
"""

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import anyio.to_thread

from maskery.engine.batching import measure_batch
from maskery.errors import Busy, ChecksumError, ConfigError, MaskeryError, UnknownModel, nearest
from maskery.loading import expect_answers, open_model
from maskery.model_card import ModelCard
from maskery.pipeline import Model
from maskery.process_memory import give_back, resident_bytes
from maskery.serving.golden import check
from maskery.serving.status import Change, State
from maskery.settings import Settings
from maskery.zoo.store import Located, Store, is_path

log = logging.getLogger("maskery")

# What a model takes that was never loaded: its file, the runtime's own copy, and half of it to work with.
LOADED_PER_FILE_BYTE = 2.5


@dataclass(eq=False)
class Resident:
    """One model of the server. ``reason``: why it is in its state; ``bytes``: what loading it added to the process.

    ``running``: the requests that hold it now. ``batch``: the pictures that go together, with the milliseconds a
    picture that were measured for 1 and more.
    """

    located: Located
    state: State = "unloaded"
    reason: str = "not asked for yet"
    model: Model | None = None
    running: int = 0
    last_used: float = 0.0
    bytes: int = 0
    batch: int = 1
    batch_ms: dict[int, float] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def card(self) -> ModelCard:
        return self.located.card

    @property
    def key(self) -> str:
        """NAME@VERSION, of which a server has one."""
        return f"{self.card.name}@{self.card.version}"


class Residents:
    """All models of a server. Used from the event loop; what reads files or loads runs in threads."""

    def __init__(self, settings: Settings, changed: Callable[[Resident, Change], None] | None = None) -> None:
        self._settings, self._store = settings, Store(settings)
        self._by_key: dict[str, Resident] = {}
        self._names: dict[str, str] = {}  # name, NAME@VERSION, alias or operator's path -> key
        self._aliases = _aliases(settings)
        self._changed = changed or (lambda resident, change: None)
        self.default = settings.model[0]
        self.budget: int | None = None
        """Bytes that loaded models may take together; None = no limit."""

    def load_all(self) -> None:
        """Load and check the models of the settings, before serving. Raises the first error."""
        for name in self._settings.model:
            resident = self._know(self._store.locate(name), name)
            if resident.model is None:
                self._load_now(resident, "asked for at start")
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
        """Every model that can answer now: the default first, the known ones, those on disk. Reads files."""
        self._look_around()
        cards = [resident.card for resident in self._all]
        return sorted(cards, key=lambda card: card.name != self.default)

    def views(self) -> list[Resident]:
        """All known models with their states, the default first."""
        return sorted(self._all, key=lambda resident: resident.card.name != self.default)

    def aliases_of(self, resident: Resident) -> list[str]:
        """The other names that the operator gave it."""
        return [alias for alias, name in self._aliases.items() if self._find(name) is resident]

    @property
    def ready(self) -> bool:
        """Whether the models of the settings are known and give their stored answers, as far as they are loaded."""
        residents = [self.known(name) for name in self._settings.model]
        return all(resident and resident.state not in ("wrong", "failed") for resident in residents)

    @property
    def loaded_bytes(self) -> int:
        """What loading the models that are loaded added to the process."""
        return sum(resident.bytes for resident in self._all if resident.model)

    @property
    def _all(self) -> list[Resident]:
        return list(self._by_key.values())

    @property
    def states(self) -> dict[str, str]:
        """Name -> "ok" or what is wrong, of the models that are loaded or could not be."""
        shown = [r for r in self._all if r.state in ("ready", "wrong", "failed")]
        return {r.card.name: "ok" if r.state == "ready" else r.reason for r in shown}

    @asynccontextmanager
    async def lease(self, name: str | None) -> AsyncIterator[Model]:
        """The model ``name`` (None = the default), loaded, and kept loaded for the time of the block.

        Raises ``UnknownModel``, ``NotPulled``, ``ModelError``.
        """
        resident = self.known(name)
        if resident is None:
            resident = await anyio.to_thread.run_sync(self._find, name)
        with self._held(resident):
            if resident.model is None:
                await self._load(resident, "asked for by a request")
            assert resident.model is not None
            yield resident.model

    def batch_of(self, key: str) -> int:
        """How many pictures of this model go together."""
        return self._by_key[key].batch if key in self._by_key else 1

    async def load(self, name: str) -> Resident:
        """Load ``name`` by hand. Raises as ``lease`` does."""
        resident = await anyio.to_thread.run_sync(self._find, name)
        with self._held(resident):
            await self._load(resident, "asked for by hand")
        return resident

    async def unload(self, name: str, reason: str = "asked for by hand", patience: float = 30.0) -> Resident:
        """Unload ``name`` once no request holds it. Raises ``UnknownModel``; ``Busy`` after ``patience`` seconds."""
        resident = await anyio.to_thread.run_sync(self._find, name)
        async with resident.loading:
            ends = time.monotonic() + patience
            while resident.running and resident.model is not None:
                if time.monotonic() > ends:
                    raise Busy(f"{name} is at work and was not unloaded.", "Try again later.", 5)
                await asyncio.sleep(0.01)
            if resident.model is not None:
                await anyio.to_thread.run_sync(self._unload_now, resident, reason)
        return resident

    async def tend(self, every: float = 1.0) -> None:
        """For ever: unload what was idle for longer than ``idle_unload`` seconds. The default model stays."""
        limit = self._settings.idle_unload
        while limit:
            await asyncio.sleep(min(every, limit))
            for resident in self._idle():
                if time.monotonic() - resident.last_used > limit:
                    await self.unload(resident.key, f"idle for {limit:g} seconds")

    @contextmanager
    def _held(self, resident: Resident) -> Iterator[None]:
        resident.running += 1
        try:
            yield
        finally:
            resident.running -= 1
            resident.last_used = time.monotonic()

    async def _load(self, resident: Resident, reason: str) -> None:
        async with resident.loading:
            if resident.model is not None:
                return
            await self._make_room(resident)
            resident.state, resident.reason = "loading", reason
            await anyio.to_thread.run_sync(self._load_now, resident, reason)

    async def _make_room(self, newcomer: Resident) -> None:
        """Unload the models used longest ago until ``newcomer`` fits the budget. Raises ``Busy`` where it cannot."""
        if self.budget is None:
            return
        needs = newcomer.bytes or int(newcomer.located.bytes * LOADED_PER_FILE_BYTE)
        while (taken := self.loaded_bytes) + needs > self.budget:
            idle = [resident for resident in self._idle() if resident is not newcomer]
            if not idle:
                raise Busy(
                    f"{newcomer.card.name} needs {needs >> 20} MiB, and {taken >> 20} of {self.budget >> 20} MiB for "
                    "models are taken by models at work.",
                    "Try again later, or give the server more --memory.",
                )
            await self.unload(min(idle, key=lambda r: r.last_used).key, f"room for {newcomer.card.name}")

    def _idle(self) -> list[Resident]:
        """Loaded, held by no request, and not the default model."""
        residents = self._all
        return [r for r in residents if r.model is not None and not r.running and r.card.name != self.default]

    def _load_now(self, resident: Resident, reason: str) -> None:
        """Open, check and measure; in a thread, or before serving."""
        settings, card = self._settings, resident.card
        before, started = resident_bytes(), time.perf_counter()
        resident.state = "loading"
        try:
            model = open_model(resident.located, settings.device, settings.threads)
            verdict = check(model)
            most = 1 if card.finder else settings.max_batch
            resident.batch, resident.batch_ms = measure_batch(model.session, card, most)
            model = model.measured()
        except MaskeryError as error:
            resident.state, resident.reason = "failed", str(error)
            raise
        resident.model, resident.last_used = model, time.monotonic()
        resident.state, resident.reason = ("ready", reason) if verdict == "ok" else ("wrong", verdict)
        give_back()  # what loading, checking and measuring took for a moment
        after = resident_bytes()
        resident.bytes = max(resident.bytes, after - before, resident.located.bytes)
        self._note(resident, Change("loaded", reason, before, after, time.perf_counter() - started))
        device, runtime = model.session.device, model.session.runtime
        log.info("loaded %s on %s (asked for: %s; %s)", resident.key, device, settings.device, runtime)

    def _unload_now(self, resident: Resident, reason: str) -> None:
        before, started = resident_bytes(), time.perf_counter()
        resident.model, resident.state, resident.reason = None, "unloaded", reason
        gc.collect()
        give_back()
        after = resident_bytes()
        self._note(resident, Change("unloaded", reason, before, after, time.perf_counter() - started))
        log.info("unloaded %s (%s): %d -> %d MiB resident", resident.key, reason, before >> 20, after >> 20)

    def _note(self, resident: Resident, change: Change) -> None:
        resident.changes = [*resident.changes[-9:], change]
        self._changed(resident, change)

    def known(self, name: str | None) -> Resident | None:
        """The resident of a name, NAME@VERSION or alias that was asked for before; looks at no file."""
        wanted = self._aliases.get(name or self.default, name or self.default)
        return self._by_key.get(self._names.get(wanted, ""))

    def _find(self, name: str | None) -> Resident:
        """The resident of a name, NAME@VERSION or alias, found on disk where it is not known yet."""
        if found := self.known(name):
            return found
        wanted = self._aliases.get(name or self.default, name or self.default)
        if is_path(wanted):
            raise UnknownModel(f"There is no model {wanted!r}.", "Name one of GET /v1/models.")
        plain, _, version = wanted.partition("@")
        try:
            located = self._store.locate(plain)
        except UnknownModel as error:
            known = [*self._names, *self._aliases, *self._store.names()]
            raise UnknownModel(f"There is no model {wanted!r}.", nearest(wanted, dict.fromkeys(known))) from error
        except (ConfigError, ChecksumError) as error:
            log.warning("model %s cannot be used: %s", plain, error)
            raise UnknownModel(f"The model {plain!r} is damaged here.", "Its operator finds why in the log.") from error
        if version and version != located.card.version:
            versions = [r.card.version for r in self._all if r.card.name == plain]
            have = ", ".join(dict.fromkeys([*versions, located.card.version]))
            raise UnknownModel(f"{plain} has no version {version!r} here.", f"Versions: {have}.")
        return self._know(located, wanted)

    def _know(self, located: Located, name: str) -> Resident:
        expect_answers(located.card)
        resident = Resident(located)
        same = self._by_key.get(resident.key)
        if same is not None and same.card.sha256 != resident.card.sha256:
            raise ConfigError(f"Two different models are called {resident.key}.", "Give one another name or version.")
        resident = self._by_key.setdefault(resident.key, resident)
        self._names.setdefault(resident.card.name, resident.key)  # of several versions the first is meant
        self._names[resident.key] = self._names[name] = resident.key
        return resident

    def _look_around(self) -> None:
        """Know the models that are on disk."""
        for name in self._store.names():
            try:
                entry = self._store.entry(name)
                if entry.state != "available" and entry.card.task != "finder":
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
