"""Requests through the inference service: batches of the real model, callers who leave, what fails alone."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from maskery.core.errors import ModelError, PictureError
from maskery.core.picture.decode import trust_own_pixel_limit
from maskery.core.result.types import SemanticResult
from maskery.core.settings import Settings
from maskery.encode.raster.mask import encode_mask
from maskery.inference.pipeline import Model, PreparedPicture
from maskery.models.loading import ModelLoader
from maskery.serving.runtime.overview import overview
from maskery.serving.runtime.request import Outcome, SegmentRequest, Writer, writers_by_name
from maskery.serving.runtime.scheduler import BACKGROUND
from maskery.serving.runtime.service import InferenceService
from tests.material import encoded, photo


def _mask(outcome: Outcome, _: None) -> bytes:
    assert isinstance(outcome.result, SemanticResult)
    return encode_mask(outcome.result)


def _crash(outcome: Outcome, _: None) -> bytes:
    raise ZeroDivisionError


MASK, CRASH = Writer("test:mask", _mask), Writer("test:crash", _crash)


@pytest.fixture
def service() -> Iterator[InferenceService]:
    trust_own_pixel_limit()
    settings = Settings(concurrency=1)
    service = InferenceService(settings, writers_by_name(MASK, CRASH), ModelLoader(settings))
    service.pool.load_all()
    yield service
    service.close()


def run(body: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), 60))  # type: ignore[arg-type]


def asked(picture: bytes, writer: Writer[None, bytes] = MASK) -> SegmentRequest[bytes]:
    return SegmentRequest(source=picture, answer=writer.with_options(None))


class Watched:
    """The sizes of the groups that a model inferred; holds the first until told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        self.go = threading.Event()
        original = Model.infer

        def infer(model: Model, group: Sequence[PreparedPicture]) -> list[NDArray[np.generic]]:
            self.sizes.append(len(group))
            self.go.wait(20)
            return original(model, group)

        monkeypatch.setattr(Model, "infer", infer)


def test_a_batch_gives_what_singles_give_and_a_damaged_picture_fails_alone(
    service: InferenceService, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [encoded(np.roll(photo("astronaut"), 60 * i, axis=1), "JPEG", (320, 240)) for i in range(4)]
    damaged = pictures[1][: len(pictures[1]) // 2]

    async def body() -> None:
        singles = [await service.segment(asked(picture)) for picture in pictures]
        service.pool.views()[0].batch = 8
        watched = Watched(monkeypatch)
        first = asyncio.ensure_future(service.segment(asked(pictures[0])))
        while not watched.sizes:
            await asyncio.sleep(0.01)
        requests = [asked(picture) for picture in (pictures[0], pictures[1], damaged, pictures[2], pictures[3])]
        others = [asyncio.ensure_future(service.segment(request)) for request in requests]
        while len(service.scheduler.waiting()) < 5:
            await asyncio.sleep(0.01)
        watched.go.set()
        assert await first == singles[0]
        answers = await asyncio.gather(*others, return_exceptions=True)
        assert isinstance(answers.pop(2), PictureError)
        assert watched.sizes == [1, 4]  # the damaged one was found before the run
        assert answers == singles

    run(body)


def test_a_run_that_fails_fails_for_its_batch_only(service: InferenceService, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = encoded(photo("chelsea"), "JPEG")
    original = Model.infer

    def refuse(model: Model, group: Sequence[PreparedPicture]) -> list[NDArray[np.generic]]:
        raise ModelError("The model refused the tensor.", "Correct the card.")

    async def body() -> None:
        monkeypatch.setattr(Model, "infer", refuse)
        with pytest.raises(ModelError, match="refused"):
            await service.segment(asked(picture))
        monkeypatch.setattr(Model, "infer", original)
        assert (await service.segment(asked(picture))).startswith(b"\x89PNG")

    run(body)


def test_an_encoder_that_fails_fails_for_its_caller_only(service: InferenceService) -> None:
    picture = encoded(photo("chelsea"), "JPEG")

    async def body() -> None:
        answers = await asyncio.gather(
            service.segment(asked(picture, CRASH)),
            service.segment(asked(picture)),
            return_exceptions=True,
        )
        assert isinstance(answers[0], ZeroDivisionError)
        assert isinstance(answers[1], bytes)
        assert service.pool.views()[0].running == 0

    run(body)


def test_a_cancelled_caller_frees_its_place_and_the_model(
    service: InferenceService, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = encoded(photo("chelsea"), "JPEG")

    async def body() -> None:
        watched = Watched(monkeypatch)
        running = asyncio.ensure_future(service.segment(asked(picture)))
        while not watched.sizes:
            await asyncio.sleep(0.01)
        leaving = asyncio.ensure_future(service.segment(asked(picture)))
        while not service.scheduler.waiting():
            await asyncio.sleep(0.01)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert service.scheduler.waiting() == []
        watched.go.set()
        await running
        began = time.monotonic()
        while service.pool.views()[0].running:
            assert time.monotonic() - began < 5
            await asyncio.sleep(0.01)
        assert watched.sizes == [1]

    run(body)


def test_a_film_waits_in_its_own_queue_behind_pictures_and_has_no_deadline(
    service: InferenceService, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = encoded(photo("chelsea"), "JPEG")
    frame = replace(asked(picture), queue="film", priority=BACKGROUND)
    order: list[str] = []

    async def one(name: str, request: SegmentRequest[bytes]) -> bytes:
        answer = await service.segment(request)
        order.append(name)
        return answer

    async def body() -> None:
        watched = Watched(monkeypatch)
        running = asyncio.ensure_future(one("first", asked(picture)))
        while not watched.sizes:
            await asyncio.sleep(0.01)
        frames = [asyncio.ensure_future(one("frame", frame)) for _ in range(2)]
        while len(service.scheduler.waiting()) < 2:
            await asyncio.sleep(0.01)
        late = asyncio.ensure_future(one("picture", replace(asked(picture), timeout=50.0)))
        while len(service.scheduler.waiting()) < 3:
            await asyncio.sleep(0.01)
        waiting = overview(service).models[0].queue.waiting
        assert [(place.position, place.seconds_left is None) for place in waiting] == [(1, True), (2, True), (1, False)]
        watched.go.set()
        answers = await asyncio.gather(running, late, *frames)
        assert len(set(answers)) == 1

    run(body)
    assert order == ["first", "picture", "frame", "frame"]
