"""Orders through the desk: batches of the real model, callers who leave, what fails alone."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from maskery.encode.mask import encode_mask
from maskery.errors import ModelError, PictureError
from maskery.image import trust_own_pixel_limit
from maskery.pipeline import Model, Prepared
from maskery.result import SemanticResult
from maskery.serving.desk import Desk
from maskery.serving.order import Order, Served
from maskery.settings import Settings
from tests.material import encoded, photo


@pytest.fixture
def desk() -> Iterator[Desk]:
    trust_own_pixel_limit()
    desk = Desk(Settings(concurrency=1))
    desk.residents.load_all()
    yield desk
    desk.scheduler.close()


def run(body: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), 60))  # type: ignore[arg-type]


def mask(served: Served) -> bytes:
    assert isinstance(served.result, SemanticResult)
    return encode_mask(served.result)


class Watched:
    """The sizes of the groups that a model inferred; holds the first until told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        self.go = threading.Event()
        original = Model.infer

        def infer(model: Model, group: Sequence[Prepared]) -> list[NDArray[np.generic]]:
            self.sizes.append(len(group))
            self.go.wait(20)
            return original(model, group)

        monkeypatch.setattr(Model, "infer", infer)


def test_a_batch_gives_what_singles_give_and_a_damaged_picture_fails_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [encoded(np.roll(photo("astronaut"), 60 * i, axis=1), "JPEG", (320, 240)) for i in range(4)]
    damaged = pictures[1][: len(pictures[1]) // 2]

    async def body() -> None:
        singles = [await desk.serve(Order(picture), mask) for picture in pictures]
        desk.residents.views()[0].batch = 8
        watched = Watched(monkeypatch)
        first = asyncio.ensure_future(desk.serve(Order(pictures[0]), mask))
        while not watched.sizes:
            await asyncio.sleep(0.01)
        orders = [Order(picture) for picture in (pictures[0], pictures[1], damaged, pictures[2], pictures[3])]
        others = [asyncio.ensure_future(desk.serve(order, mask)) for order in orders]
        while len(desk.scheduler.waiting()) < 5:
            await asyncio.sleep(0.01)
        watched.go.set()
        assert await first == singles[0]
        answers = await asyncio.gather(*others, return_exceptions=True)
        assert isinstance(answers.pop(2), PictureError)
        assert watched.sizes == [1, 4]  # the damaged one was found before the run
        assert answers == singles

    run(body)


def test_a_run_that_fails_fails_for_its_batch_only(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = encoded(photo("chelsea"), "JPEG")
    original = Model.infer

    def refuse(model: Model, group: Sequence[Prepared]) -> list[NDArray[np.generic]]:
        raise ModelError("The model refused the tensor.", "Correct the card.")

    async def body() -> None:
        monkeypatch.setattr(Model, "infer", refuse)
        with pytest.raises(ModelError, match="refused"):
            await desk.serve(Order(picture), mask)
        monkeypatch.setattr(Model, "infer", original)
        assert (await desk.serve(Order(picture), mask)).startswith(b"\x89PNG")

    run(body)


def test_an_encoder_that_fails_fails_for_its_caller_only(desk: Desk) -> None:
    picture = encoded(photo("chelsea"), "JPEG")

    def crash(served: Served) -> bytes:
        raise ZeroDivisionError

    async def body() -> None:
        answers = await asyncio.gather(
            desk.serve(Order(picture), crash), desk.serve(Order(picture), mask), return_exceptions=True
        )
        assert isinstance(answers[0], ZeroDivisionError)
        assert isinstance(answers[1], bytes)
        assert desk.residents.views()[0].running == 0

    run(body)


def test_a_cancelled_caller_frees_his_place_and_the_model(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = encoded(photo("chelsea"), "JPEG")

    async def body() -> None:
        watched = Watched(monkeypatch)
        running = asyncio.ensure_future(desk.serve(Order(picture), mask))
        while not watched.sizes:
            await asyncio.sleep(0.01)
        leaving = asyncio.ensure_future(desk.serve(Order(picture), mask))
        while not desk.scheduler.waiting():
            await asyncio.sleep(0.01)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert desk.scheduler.waiting() == []
        watched.go.set()
        await running
        began = time.monotonic()
        while desk.residents.views()[0].running:
            assert time.monotonic() - began < 5
            await asyncio.sleep(0.01)
        assert watched.sizes == [1]

    run(body)
