"""Pictures that are kept between clicks: what is made of each is bounded."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from maskery.core.picture.decode import open_picture
from maskery.core.prompt import Click, Prompt
from maskery.inference.faces.region import whole
from maskery.inference.faces.view import View
from maskery.inference.prompts.embedded_picture import (
    TRACES_KEPT,
    WINDOWS_KEPT,
    EmbeddedPicture,
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
