"""POST .../infer: message -> pictures -> the inference service -> output tensors."""

from collections.abc import Sequence
from dataclasses import dataclass

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest, MaskeryError, TooLarge
from maskery.core.picture import decode
from maskery.core.result.types import MAPS
from maskery.core.settings import Settings
from maskery.inference import pipeline
from maskery.inference.pipeline import RunOptions
from maskery.inference.planning.memory_plan import Demand
from maskery.serving.http.body import read_unpacked
from maskery.serving.protocols.open_inference.answer import answer, check_json_size
from maskery.serving.protocols.open_inference.input_tensors import Picture, pictures
from maskery.serving.protocols.open_inference.message import HEADER, Envelope, Message, only, split
from maskery.serving.protocols.open_inference.outputs import RequestedOutput, Value, asked_of, outputs_of
from maskery.serving.runtime.request import Outcome, SegmentRequest, Writer
from maskery.serving.runtime.service import InferenceService

HELD_BYTES = 6.0
"""A pixel, while outputs are written; what JSON lists take is bounded apart."""
PARAMETERS = ("max_side", "classes", "binary_data_output")


@dataclass(frozen=True)
class InferRequest:
    """A request, understood and within its bounds."""

    id: str | None
    pictures: list[Picture]
    asked: list[RequestedOutput]
    run_options: RunOptions


def write_outputs(outcome: Outcome, names: tuple[str, ...]) -> list[Value]:
    """One picture's part of each of these outputs."""
    outputs = outputs_of(outcome.card)
    return [outputs[name].read(outcome.result) for name in names]


OUTPUTS = Writer("open-inference:outputs", write_outputs)


async def infer(service: InferenceService, card: ModelCard, request: Request) -> Response:
    """Answer one request for the model of ``card``."""
    settings = service.settings
    body = await read_unpacked(request, settings)
    header = request.headers.get(HEADER)
    ask = await anyio.to_thread.run_sync(lambda: understand(split(body, header), card, settings))

    names = tuple(one.output.name for one in ask.asked)

    async def row(index: int) -> list[Value]:
        segment_request = SegmentRequest(
            source=ask.pictures[index],
            answer=OUTPUTS.with_options(names),
            model=f"{card.name}@{card.version}",
            run_options=ask.run_options,
            demand=Demand(held=HELD_BYTES),
            format="tensor",
        )
        try:
            return await service.segment(segment_request, request)
        except MaskeryError as error:
            raise _of_picture(error, index, len(ask.pictures)) from error

    rows = await service.each(row, range(len(ask.pictures)))
    return await anyio.to_thread.run_sync(lambda: answer(card, ask.id, ask.asked, _columns(rows)))


def understand(message: Message, card: ModelCard, settings: Settings) -> InferRequest:
    """Check all that can be checked before a model runs. Raises ``BadRequest``, ``TooLarge``, ``PictureError``."""
    envelope = message.envelope
    _check_names(envelope, card)
    only(envelope.parameters, PARAMETERS, "the request")
    asked = asked_of(envelope, card)
    run_options = _wish(envelope, asked)
    pipeline.check(run_options, card)
    found = pictures(message, settings.max_pictures)
    _check_sizes(found, asked, settings)
    return InferRequest(envelope.id, found, asked, run_options)


def _check_names(envelope: Envelope, card: ModelCard) -> None:
    for said, name in ((envelope.model_name, card.name), (envelope.model_version, card.version)):
        if said not in (None, name):
            raise BadRequest(f"The body says {said!r}, the path {name!r}.", "Leave it out of the body.")


def _wish(envelope: Envelope, asked: Sequence[RequestedOutput]) -> RunOptions:
    side = envelope.parameters.get("max_side")
    if side is not None and (type(side) is not int or side < 1):
        raise BadRequest(f"max_side is {side!r}.", "Give a whole number of pixels, 512 say.")
    classes = envelope.parameters.get("classes", "")
    if not isinstance(classes, str):
        raise BadRequest(f"classes is {classes!r}.", "Give names separated by commas, 'person,dog' say.")
    names = tuple(name.strip() for name in classes.split(",") if name.strip())
    return RunOptions(names, side, maps=tuple(one.output.name for one in asked if one.output.name in MAPS))


def _check_sizes(found: Sequence[Picture], asked: Sequence[RequestedOutput], settings: Settings) -> None:
    """Open the headers: one size where the answer has an axis for it, and no more pixels in all than in one picture."""
    sizes = []
    for i, picture in enumerate(found):
        try:
            opened = decode.open_picture(picture, max_bytes=settings.max_bytes, max_pixels=settings.max_pixels)
        except MaskeryError as error:
            raise _of_picture(error, i, len(found)) from error
        sizes.append(opened.size_wh)
    total = sum(width * height for width, height in sizes)
    if total > settings.max_pixels:
        raise TooLarge(
            f"The pictures have {total:,} pixels together, the limit is {settings.max_pixels:,}.", "Send fewer at once."
        )
    if len(set(sizes)) > 1 and (whole := [one.output.name for one in asked if one.output.per_pixel]):
        other = next(size for size in sizes if size != sizes[0])
        raise BadRequest(
            f"{' and '.join(whole)} cannot hold pictures of {sizes[0]} and {other} (width, height) in one tensor.",
            "Ask for mask_png, or send pictures of one size.",
        )
    check_json_size(asked, total)


def _columns(rows: Sequence[Sequence[Value]]) -> list[tuple[Value, ...]]:
    return list(zip(*rows, strict=True))


def _of_picture(error: MaskeryError, index: int, count: int) -> MaskeryError:
    """The same error, saying which picture it is about where there are several."""
    return error if count == 1 else type(error)(f"Picture {index + 1} of {count}: {error.message}", error.cure)
