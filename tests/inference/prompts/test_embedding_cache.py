"""Pictures that are kept between clicks: bounded, embedded once, forgotten when they fail."""

import threading
from dataclasses import dataclass

import pytest

from maskery.core.errors import PictureError
from maskery.inference.prompts.embedding_cache import EmbeddingCache

SIZE = 4800


@dataclass(eq=False)
class Some:
    """What a picture becomes."""

    bytes: int = SIZE


def picture() -> Some:
    return Some()


def test_the_pictures_used_longest_ago_make_room() -> None:
    cache = EmbeddingCache[Some](limit=3 * SIZE)
    for name in "abcad":
        cache.get(("m", name), picture)
        cache.settle()
    assert [cache.has(("m", name)) for name in "abcd"] == [True, False, True, True]
    state = cache.state()
    assert (state.pictures, state.hits, state.misses, state.evicted) == (3, 1, 4, 1)
    assert state.bytes <= state.limit_bytes
    cache.limit = 0
    cache.settle()
    assert cache.state().pictures == 0
    cache.limit = 1 << 20
    cache.get(("m", "a"), picture)
    cache.get(("n", "a"), picture)
    cache.forget("m")
    assert (cache.has(("m", "a")), cache.has(("n", "a"))) == (False, True)


def test_threads_that_ask_for_one_picture_wait_for_one_run() -> None:
    cache, started, go = EmbeddingCache[Some](), threading.Event(), threading.Event()
    made: list[int] = []

    def slow() -> Some:
        made.append(1)
        started.set()
        assert go.wait(10)
        return picture()

    found: list[Some] = []
    threads = [threading.Thread(target=lambda: found.append(cache.get(("m", "a"), slow))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert started.wait(10)
    assert not cache.has(("m", "a"))
    go.set()
    for thread in threads:
        thread.join(10)
    assert made == [1]
    assert len({id(one) for one in found}) == 1
    assert len(found) == 4


def test_a_picture_that_fails_is_forgotten() -> None:
    cache = EmbeddingCache[Some]()

    def damaged() -> Some:
        raise PictureError("It is damaged.")

    with pytest.raises(PictureError):
        cache.get(("m", "a"), damaged)
    assert cache.state().pictures == 0
    assert cache.get(("m", "a"), picture).bytes == SIZE
