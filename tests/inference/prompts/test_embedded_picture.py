"""Pictures that are kept between clicks: bounded, embedded once, forgotten when they fail."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from maskery.core.errors import PictureError
from maskery.core.picture.decode import open_picture
from maskery.core.prompt import Click, Prompt
from maskery.inference.faces.region import whole
from maskery.inference.faces.view import View
from maskery.inference.prompts.embedded_picture import (
    TRACES_KEPT,
    WINDOWS_KEPT,
    EmbeddedPicture,
    EmbeddingCache,
    Maps,
    Trace,
    digest_of,
    kept_view,
)
from maskery.inference.prompts.prompt_plan import KEPT_SIDE, kept_size
from maskery.inference.prompts.prompt_window import PromptWindow

WINDOW = PromptWindow(0, 0, 40, 32)


def picture(encode: Callable[[View, PromptWindow], Maps] | None = None, side: int = 40) -> EmbeddedPicture:
    pixels = np.zeros((side, side, 3), np.uint8)
    made = encode or (lambda view, window: {"map": np.full((1, 2, 8, 8), window.left, np.float32)})
    return EmbeddedPicture(View(pixels, whole((side, side))), (side, side), made)


def test_maps_of_a_window_are_made_once_and_kept_in_half_precision() -> None:
    made: list[PromptWindow] = []

    def encode(view: View, window: PromptWindow) -> Maps:
        made.append(window)
        return {"map": np.full((1, 2, 8, 8), 0.1, np.float32)}

    embedded = picture(encode)
    bare = embedded.bytes
    first, again = embedded.maps(WINDOW), embedded.maps(WINDOW)
    assert made == [WINDOW]
    assert first["map"].dtype == np.float32
    np.testing.assert_array_equal(first["map"], again["map"])
    assert embedded.bytes - bare == 2 * 2 * 8 * 8


def test_windows_and_traces_of_a_picture_are_bounded() -> None:
    embedded = picture()
    for left in range(3 * WINDOWS_KEPT):
        embedded.maps(PromptWindow(left, 0, 40, 32))
    for x in range(3 * TRACES_KEPT):
        embedded.keep(Prompt((Click(x, 0),)), Trace(WINDOW, np.zeros((8, 8), np.float16)))
    assert embedded.bytes == 3 * 40 * 40 + WINDOWS_KEPT * 256 + TRACES_KEPT * 128
    assert embedded.trace(Prompt((Click(0, 0),))) is None
    assert embedded.trace(Prompt((Click(3 * TRACES_KEPT - 1, 0),))) is not None


def test_the_pictures_used_longest_ago_make_room() -> None:
    cache = EmbeddingCache(limit=3 * 3 * 40 * 40)
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
    cache, started, go = EmbeddingCache(), threading.Event(), threading.Event()
    made: list[int] = []

    def slow() -> EmbeddedPicture:
        made.append(1)
        started.set()
        assert go.wait(10)
        return picture()

    found: list[EmbeddedPicture] = []
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
    cache = EmbeddingCache()

    def damaged() -> EmbeddedPicture:
        raise PictureError("It is damaged.")

    with pytest.raises(PictureError):
        cache.get(("m", "a"), damaged)
    assert cache.state().pictures == 0
    assert cache.get(("m", "a"), picture).size_wh == (40, 40)


def test_large_pictures_are_kept_smaller_and_small_ones_as_they_are() -> None:
    assert kept_size((4000, 3000)) == (KEPT_SIDE, KEPT_SIDE * 3 // 4)
    assert kept_size((100, 50)) == (100, 50)
    pixels = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    kept = kept_view(View(pixels, whole((40, 30))), (40, 30))
    np.testing.assert_array_equal(np.asarray(kept.pixels), pixels)
    assert kept.pixels is not pixels
    large = np.zeros((20, 2 * KEPT_SIDE, 3), np.uint8)
    assert kept_view(View(large, whole((2 * KEPT_SIDE, 20))), (2 * KEPT_SIDE, 20)).size_wh == (KEPT_SIDE, 10)


def test_a_digest_is_of_bytes_and_of_how_they_are_turned() -> None:
    image = Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3))
    array = np.asarray(image)
    sources = (image, array, array[::-1].copy(), array)
    digests = [digest_of(open_picture(source, max_bytes=1 << 20, max_pixels=1 << 20)) for source in sources]
    assert digests[1] == digests[3]
    assert len(set(digests)) == 3
