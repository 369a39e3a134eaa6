"""POST /v1/interact: what is pointed at in a picture, cut out. Each request has all clicks; no caller is remembered.

What the model made of the picture is kept, by the picture's digest, so that further clicks only run the decoder. A
request without points and box asks for just that, before the first click.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from maskery.core.errors import BadRequest, MaskeryError
from maskery.core.plan import Demand, RunOptions
from maskery.core.result.capabilities import HasCandidates, expect
from maskery.core.settings import Settings
from maskery.encode.document import SegmentationDocument
from maskery.encode.format import PNG
from maskery.encode.provenance import png_text
from maskery.encode.raster import png
from maskery.encode.registry import ENCODERS, find
from maskery.inference.tasks.registry import task_of
from maskery.serving.http.body import FIELD
from maskery.serving.http.json_body import json_response
from maskery.serving.protocols.base import JSON, FormSpec, Operation, ParameterSpec, ResponseSpec, binary
from maskery.serving.protocols.native.interact_request import (
    FORMATS,
    JSON_FORMAT,
    MODEL,
    PNG_FORMAT,
    InteractBody,
    InteractRequest,
    read,
)
from maskery.serving.protocols.native.native_request import picture_bytes
from maskery.serving.protocols.native.segment_answer import EncodedAnswer, FileOptions, write_file
from maskery.serving.runtime.request import Outcome, SegmentRequest, Writer
from maskery.serving.runtime.service import InferenceService

log = logging.getLogger("maskery")

WARM_WAIT = 0.2
"""Seconds that a request without points waits for what is wrong with its picture, or for all to be ready."""
WARMING_AT_MOST = 8
"""Pictures that are looked at for callers who have their answer already; more are waited for."""
PNG_DEMAND = Demand(held=2.0)


class WarmAnswer(msgspec.Struct, frozen=True):
    """What a request without points and box is answered. ``state``: "ready", or "warming" while it is worked on."""

    state: str


def write_candidates(outcome: Outcome, file: FileOptions) -> EncodedAnswer:
    """The candidates in one of ``FORMATS``."""
    if file.format != PNG_FORMAT:
        return write_file(outcome, file)
    started, result = time.perf_counter(), outcome.result
    body = _png(expect(result, HasCandidates))
    milliseconds = round((time.perf_counter() - started) * 1000, 3)
    return EncodedAnswer(body, result.meta.timings_ms | {"encode": milliseconds}, result.meta.plan_header())


def write_state(outcome: Outcome, _: None) -> str:
    """Nothing but that it is done."""
    return "ready"


CANDIDATES = Writer("native:candidates", write_candidates)
WARM = Writer("native:warm", write_state)


def _png(result: HasCandidates) -> bytes:
    """Grey, 255 where the best candidate is."""
    size_wh, best = result.meta.frame.size_wh, result.best
    mask = best.placed(size_wh) if best else np.zeros(size_wh[::-1], np.bool_)
    step = png.band_rows(size_wh[0])
    bands = (mask[top : top + step].view(np.uint8) * np.uint8(255) for top in range(0, size_wh[1], step))
    return png.grey_rows(bands, size_wh, 8, png_text(result.meta))


class InteractEndpoint:
    """What answers POST /v1/interact."""

    def __init__(self, service: InferenceService) -> None:
        self.service = service
        self._warming: set[asyncio.Task[str]] = set()

    async def interact(self, request: Request) -> Response:
        """What is pointed at; of a request that points at nothing, that the picture is being looked at."""
        asked = await read(request, self.service.settings)
        card = await self.service.card(asked.model)
        if not task_of(card).prompted:
            raise BadRequest(f"{card.name} takes no points and no box.", "Leave model out, or name a prompt model.")
        if asked.format in ENCODERS:
            find(asked.format, task_of(card))
        data = await picture_bytes(asked.picture, self.service.fetch, self.service.settings.max_bytes)
        if asked.prompt.empty:
            return await self._warm(asked, data)
        answer = await self.service.segment(candidates_request(asked, data), request)
        media_type = PNG.media_type if asked.format == PNG_FORMAT else ENCODERS[asked.format].media_type
        return Response(answer.body, media_type=media_type, headers=answer.headers())

    async def _warm(self, asked: InteractRequest, data: bytes) -> Response:
        """202 at once where it takes long: the first click then waits for the same run, not for another one."""
        warm = SegmentRequest(
            source=data,
            answer=WARM.with_options(None),
            model=asked.model,
            run_options=RunOptions(prompt=asked.prompt),
            format="warm",
            timeout=self.service.settings.timeout,
        )
        task = asyncio.ensure_future(self.service.segment(warm))
        self._warming.add(task)
        task.add_done_callback(self._warmed)
        await asyncio.wait({task}, timeout=WARM_WAIT if len(self._warming) <= WARMING_AT_MOST else None)
        return json_response(WarmAnswer(task.result() if task.done() else "warming"), 202)

    def _warmed(self, task: "asyncio.Task[str]") -> None:
        self._warming.discard(task)
        error = None if task.cancelled() else task.exception()
        if error:
            level = logging.INFO if isinstance(error, MaskeryError) else logging.ERROR
            log.log(level, "a picture could not be looked at before its first click: %s", error)


def candidates_request(asked: InteractRequest, data: bytes) -> SegmentRequest[EncodedAnswer]:
    """The picture ``data`` and what is pointed at in it."""
    return SegmentRequest(
        source=data,
        answer=CANDIDATES.with_options(FileOptions(asked.format, asked.options)),
        model=asked.model,
        run_options=RunOptions(prompt=asked.prompt, candidates=asked.candidates),
        demand=ENCODERS[asked.format].demand if asked.format in ENCODERS else PNG_DEMAND,
        format=asked.format,
    )


def interact_operation(endpoint: InteractEndpoint, settings: Settings, problems: Sequence[int]) -> Operation:
    """The endpoint as it is served and described."""
    picture = binary("image/*", settings.max_bytes)
    parameters = _parameters()
    answered = {JSON: SegmentationDocument, PNG.media_type: binary(PNG.media_type)}
    return Operation(
        verb="POST",
        path="/v1/interact",
        handler=endpoint.interact,
        id="interact",
        summary="Cut out what points and a box point at.",
        description=(
            "All points travel with each request, in the order of the clicks; the picture is looked at once and kept "
            "by its content, so further clicks take a few milliseconds. Without points and box it is only looked at: "
            "the answer is 202, and the first click need not wait."
        ),
        parameters=parameters,
        body={
            JSON: InteractBody,
            "multipart/form-data": FormSpec(FIELD, parameters),
            **dict.fromkeys(("image/jpeg", "image/png", "application/octet-stream"), picture),
        },
        answers={
            200: ResponseSpec("The masks, in the format asked for.", answered),
            202: ResponseSpec("Nothing is pointed at; the picture is being looked at.", {JSON: WarmAnswer}),
        },
        problems=problems,
    )


def _parameters() -> tuple[ParameterSpec, ...]:
    """Those of the query and of a form; of JSON the same names."""
    return (
        ParameterSpec(
            name="model", text="A name of GET /v1/models that takes clicks.", kind={"type": "string", "default": MODEL}
        ),
        ParameterSpec(
            name="format",
            text="json: `objects`, masks as run lengths; png: the best mask, 255 and 0; or a format of /v1/segment.",
            kind={"type": "string", "enum": list(FORMATS), "default": JSON_FORMAT},
        ),
        ParameterSpec(name="points", text="x,y;x,y,- in pixels of the upright picture, - beside the object; or JSON."),
        ParameterSpec(name="labels", text="JSON list of 1 and 0, where points is a JSON list without labels."),
        ParameterSpec(name="box", text="x1,y1,x2,y2 around the object."),
        ParameterSpec(name="previous", text="JSON: a mask as it was answered, which the points correct."),
        ParameterSpec(name="candidates", text="Masks at most, best first.", kind=Annotated[int, Meta(ge=1, le=3)]),
        ParameterSpec(name="url", text="Address of the picture, in place of the body."),
    )
