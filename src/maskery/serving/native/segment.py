"""GET and POST /v1/segment."""

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from maskery.encode.table import ENCODERS, encode, find
from maskery.errors import MaskeryError, Unchanged
from maskery.image import Picture
from maskery.model_card import ModelCard
from maskery.pipeline import Wish
from maskery.plan import Plan
from maskery.serving import problems
from maskery.serving.desk import Desk
from maskery.serving.native.call import Ask, Source, decoded, read
from maskery.serving.native.etag import etag_of, expect_changed
from maskery.serving.order import Order, Served

# A summary is decided on a grid of at most this many pixels a side, about that of the models' own scores.
SUMMARY_SIDE = 96
HASHED_AT_ONCE = 1 << 20  # bytes; more are hashed in a thread


@dataclass(frozen=True)
class Answer:
    """One picture's answer: its encoded body, the milliseconds of each stage, and how it was worked on."""

    body: bytes
    timings_ms: Mapping[str, float]
    plan: Plan | None


class Segment:
    """The endpoint."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def answer(self, request: Request) -> Response:
        """One picture in the format asked for, or several as a JSON list."""
        asked = await read(request, self.desk.settings)
        card = await self.desk.card(asked.ask.model)
        encoder = find(asked.ask.format, card.task)
        if asked.several:
            return await self._several(request, asked.ask, asked.pictures)
        data = await self._bytes(asked.pictures[0])
        etag = await _etag(data, asked.ask, card)
        headers = {"Vary": "Accept", "ETag": etag}
        try:
            expect_changed(request, etag)
        except Unchanged:
            if request.method == "GET":
                return Response(status_code=304, headers=headers)
            raise
        answer = await self._one(request, asked.ask, data)
        stages = ", ".join(f"{name};dur={value:g}" for name, value in answer.timings_ms.items())
        headers["Server-Timing"] = stages
        if answer.plan:
            headers["Maskery-Plan"] = answer.plan.header()
        return Response(answer.body, media_type=encoder.media_type, headers=headers)

    async def _bytes(self, picture: bytes | Source) -> bytes:
        if isinstance(picture, bytes):
            return picture
        if picture.url is not None and not picture.url.startswith("data:"):
            return await self.desk.fetch(picture.url)
        text = picture if picture.base64 is not None else Source(base64=picture.url)
        return await anyio.to_thread.run_sync(decoded, text, self.desk.settings.max_bytes)

    async def _one(self, request: Request, ask: Ask, data: bytes) -> Answer:
        def finish(served: Served) -> Answer:
            started = time.perf_counter()
            body = encode(served.drawn, ask.format, served.shown, ask.options)
            milliseconds = round((time.perf_counter() - started) * 1000, 3)
            return Answer(body, served.drawn.timings_ms | {"encode": milliseconds}, served.drawn.plan)

        wish = of_summary(ask.wish) if ask.format == "summary" else ask.wish
        order = Order(data, ask.model, wish, ENCODERS[ask.format].demand, format=ask.format)
        return await self.desk.serve(order, finish, request)

    async def _several(self, request: Request, ask: Ask, pictures: list[bytes | Source]) -> Response:
        """Each picture with its own status."""

        async def one(picture: bytes | Source) -> dict[str, Any]:
            named = {"id": picture.id} if isinstance(picture, Source) and picture.id is not None else {}
            try:
                answer = await self._one(request, ask, await self._bytes(picture))
            except MaskeryError as error:
                return named | {"status": problems.status_of(error), "problem": problems.body_of(error)}
            return named | {"status": 200, **_embedded(answer.body, ENCODERS[ask.format].media_type)}

        body = msgspec.json.encode({"results": await self.desk.each(one, pictures)})
        return Response(body, media_type="application/json", headers={"Vary": "Accept"})


def _embedded(body: bytes, media_type: str) -> dict[str, Any]:
    """An answer inside JSON: as it is, or as base64 text."""
    if media_type.endswith("json"):
        return {"media_type": media_type, "result": msgspec.Raw(body)}
    return {"media_type": media_type, "base64": base64.b64encode(body).decode("ascii")}


def of_summary(wish: Wish) -> Callable[[Picture], Wish]:
    """The wish on a small grid: what a summary needs, at almost no cost."""

    def of(picture: Picture) -> Wish:
        width, height = picture.size_wh
        scale = min(1.0, SUMMARY_SIDE / max(width, height))
        return replace(wish, answer_wh=(max(1, round(width * scale)), max(1, round(height * scale))))

    return of


async def _etag(data: bytes, ask: Ask, card: ModelCard) -> str:
    if len(data) <= HASHED_AT_ONCE:
        return etag_of(data, ask, card)
    return await anyio.to_thread.run_sync(etag_of, data, ask, card)
