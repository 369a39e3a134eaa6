"""GET and POST /v1/segment, and what its answers depend on as an ETag."""

import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from maskery.core.card import ModelCard
from maskery.core.errors import MaskeryError, Unchanged
from maskery.core.picture.decode import Picture
from maskery.core.plan import Plan
from maskery.core.version import __version__
from maskery.encode.options import Options
from maskery.encode.registry import ENCODERS, encode, find
from maskery.inference.pipeline import RunOptions
from maskery.serving.http import problems
from maskery.serving.protocols.native.native_request import PictureSource, SegmentParameters, decoded, read
from maskery.serving.runtime.request import Outcome, SegmentRequest, Writer
from maskery.serving.runtime.service import InferenceService


def etag_of(data: bytes, ask: SegmentParameters, card: ModelCard) -> str:
    """Weak, because the milliseconds in a JSON answer differ from time to time; all else is the same."""
    digest, asked = hashlib.blake2b(data, digest_size=16), (ask.format, ask.run_options, ask.options)
    digest.update(repr((__version__, card.name, card.version, card.sha256, card.detector, *asked)).encode())
    return f'W/"{digest.hexdigest()}"'


def expect_changed(request: Request, etag: str) -> None:
    """Raises ``Unchanged`` where the caller has this very answer (If-None-Match)."""
    given = request.headers.get("if-none-match", "")
    names = {name.strip().removeprefix("W/") for name in given.split(",")}
    if given.strip() == "*" or etag.removeprefix("W/") in names:
        raise Unchanged("You have this answer already.", "Use it, or ask without If-None-Match.", etag)


# A summary is decided on a grid of at most this many pixels a side, about that of the models' own scores.
SUMMARY_SIDE = 96
HASHED_AT_ONCE = 1 << 20  # bytes; more are hashed in a thread


@dataclass(frozen=True)
class EncodedAnswer:
    """One picture's answer: its encoded body, the milliseconds of each stage, and how it was worked on."""

    body: bytes
    timings_ms: Mapping[str, float]
    plan: Plan | None


@dataclass(frozen=True)
class FileOptions:
    """Name of an encoder and its options."""

    format: str
    options: Options


def write_file(outcome: Outcome, file: FileOptions) -> EncodedAnswer:
    """The answer in the format of ``file``."""
    started = time.perf_counter()
    body = encode(outcome.drawn, file.format, outcome.shown, file.options)
    milliseconds = round((time.perf_counter() - started) * 1000, 3)
    return EncodedAnswer(body, outcome.drawn.timings_ms | {"encode": milliseconds}, outcome.drawn.plan)


FILE = Writer("native:file", write_file)


class SegmentEndpoint:
    """The endpoint."""

    def __init__(self, service: InferenceService) -> None:
        self.service = service

    async def answer(self, request: Request) -> Response:
        """One picture in the format asked for, or several as a JSON list."""
        asked = await read(request, self.service.settings)
        card = await self.service.card(asked.ask.model)
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

    async def _bytes(self, picture: bytes | PictureSource) -> bytes:
        if isinstance(picture, bytes):
            return picture
        if picture.url is not None and not picture.url.startswith("data:"):
            return await self.service.fetch(picture.url)
        text = picture if picture.base64 is not None else PictureSource(base64=picture.url)
        return await anyio.to_thread.run_sync(decoded, text, self.service.settings.max_bytes)

    async def _one(self, request: Request, ask: SegmentParameters, data: bytes) -> EncodedAnswer:
        segment_request = SegmentRequest(
            source=data,
            answer=FILE.with_options(FileOptions(ask.format, ask.options)),
            model=ask.model,
            run_options=of_summary(ask.run_options) if ask.format == "summary" else ask.run_options,
            demand=ENCODERS[ask.format].demand,
            format=ask.format,
        )
        return await self.service.segment(segment_request, request)

    async def _several(
        self, request: Request, ask: SegmentParameters, pictures: list[bytes | PictureSource]
    ) -> Response:
        """Each picture with its own status."""

        async def one(picture: bytes | PictureSource) -> dict[str, Any]:
            named = {"id": picture.id} if isinstance(picture, PictureSource) and picture.id is not None else {}
            try:
                answer = await self._one(request, ask, await self._bytes(picture))
            except MaskeryError as error:
                return named | {"status": problems.status_of(error), "problem": problems.body_of(error)}
            return named | {"status": 200, **_embedded(answer.body, ENCODERS[ask.format].media_type)}

        body = msgspec.json.encode({"results": await self.service.each(one, pictures)})
        return Response(body, media_type="application/json", headers={"Vary": "Accept"})


def _embedded(body: bytes, media_type: str) -> dict[str, Any]:
    """An answer inside JSON: as it is, or as base64 text."""
    if media_type.endswith("json"):
        return {"media_type": media_type, "result": msgspec.Raw(body)}
    return {"media_type": media_type, "base64": base64.b64encode(body).decode("ascii")}


def of_summary(run_options: RunOptions) -> Callable[[Picture], RunOptions]:
    """The wish on a small grid: what a summary needs, at almost no cost."""

    def of(picture: Picture) -> RunOptions:
        width, height = picture.size_wh
        scale = min(1.0, SUMMARY_SIDE / max(width, height))
        return replace(run_options, answer_wh=(max(1, round(width * scale)), max(1, round(height * scale))))

    return of


async def _etag(data: bytes, ask: SegmentParameters, card: ModelCard) -> str:
    if len(data) <= HASHED_AT_ONCE:
        return etag_of(data, ask, card)
    return await anyio.to_thread.run_sync(etag_of, data, ask, card)
