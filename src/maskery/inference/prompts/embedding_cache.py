"""What models made of pictures that wait for the next click: the latest, within a limit, each made once."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

DEFAULT_BYTES = 64 << 20


class Held(Protocol):
    """Something that takes memory."""

    @property
    def bytes(self) -> int:
        """How much it takes now."""


P = TypeVar("P", bound=Held)


@dataclass(frozen=True, kw_only=True)
class CacheState:
    """What a cache of embeddings holds and did.

    Attributes:
        pictures: Held now.
        bytes: Of them.
        limit_bytes: The most that it holds.
        hits: Requests whose picture was there, or under way.
        misses: Those whose picture was embedded anew.
        evicted: Pictures that gave way to others.
    """

    pictures: int
    bytes: int
    limit_bytes: int
    hits: int
    misses: int
    evicted: int


class EmbeddingCache(Generic[P]):
    """The pictures used last, by model and digest, within ``limit`` bytes. Thread-safe."""

    def __init__(self, limit: int = DEFAULT_BYTES) -> None:
        self.limit = limit
        self._pictures: OrderedDict[tuple[str, str], Future[P]] = OrderedDict()
        self._lock = threading.Lock()
        self._hits = self._misses = self._evicted = 0

    def get(self, key: tuple[str, str], make: Callable[[], P]) -> P:
        """The picture of ``key``, (model, digest); ``make`` is called once, however many threads ask for it.

        Raises what ``make`` raises, in every thread that waited for it, and forgets the picture then.
        """
        with self._lock:
            future = self._pictures.get(key)
            mine = future is None
            if future is None:
                future = self._pictures[key] = Future()
            self._pictures.move_to_end(key)
            self._hits, self._misses = self._hits + (not mine), self._misses + mine
        if mine:
            try:
                future.set_result(make())
            except BaseException as error:
                with self._lock:
                    self._pictures.pop(key, None)
                future.set_exception(error)
        return future.result()

    def has(self, key: tuple[str, str]) -> bool:
        """Whether the picture is there and ready."""
        with self._lock:
            future = self._pictures.get(key)
            return future is not None and future.done()

    def settle(self) -> None:
        """Let go of the pictures used longest ago that exceed the limit. To be called when an answer is made: windows
        and answers add to a picture.
        """
        with self._lock:
            while self._pictures and self._bytes() > self.limit:
                ready = next((key for key, future in self._pictures.items() if future.done()), None)
                if ready is None:
                    return
                del self._pictures[ready]
                self._evicted += 1

    def forget(self, model: str) -> None:
        """Let go of all pictures of a model."""
        with self._lock:
            for key in [key for key, future in self._pictures.items() if key[0] == model and future.done()]:
                del self._pictures[key]

    def state(self) -> CacheState:
        """What it holds now."""
        with self._lock:
            return CacheState(
                pictures=len(self._pictures),
                bytes=self._bytes(),
                limit_bytes=self.limit,
                hits=self._hits,
                misses=self._misses,
                evicted=self._evicted,
            )

    def _bytes(self) -> int:
        return sum(f.result().bytes for f in self._pictures.values() if f.done() and not f.exception())
