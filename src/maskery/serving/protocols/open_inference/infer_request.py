"""POST .../infer: a message -> pictures, outputs and options, within their bounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest, MaskeryError, TooLarge
from maskery.core.picture import decode
from maskery.core.plan import Demand, RunOptions
from maskery.core.result.meta import MAPS
from maskery.core.settings import Settings
from maskery.inference import pipeline
from maskery.serving.protocols.open_inference.answer import check_json_size
from maskery.serving.protocols.open_inference.input_tensors import Picture, pictures
from maskery.serving.protocols.open_inference.message import PARAMETERS, InferBody, Message, Value, only
from maskery.serving.protocols.open_inference.outputs import OutputValue, RequestedOutput, output_of, requested_outputs
from maskery.serving.runtime.request import Outcome, SegmentRequest, Writer

PROTOCOL = "open-inference"
HELD_BYTES = 6.0
"""A pixel, while outputs are written; what JSON lists take is bounded apart."""


def write_outputs(outcome: Outcome, names: tuple[str, ...]) -> list[OutputValue]:
    """One picture's part of each of these outputs."""
    return [output_of(outcome.card, name).read(outcome.result) for name in names]


OUTPUTS = Writer(f"{PROTOCOL}:outputs", write_outputs)


@dataclass(frozen=True)
class InferRequest:
    """A request, understood and within its bounds."""

    id: str | None
    pictures: list[Picture]
    asked: list[RequestedOutput]
    run_options: RunOptions

    def for_picture(self, index: int, card: ModelCard) -> SegmentRequest[list[OutputValue]]:
        """One of the pictures and its outputs."""
        return SegmentRequest(
            source=self.pictures[index],
            answer=OUTPUTS.with_options(tuple(one.key for one in self.asked)),
            model=f"{card.name}@{card.version}",
            run_options=self.run_options,
            demand=Demand(held=HELD_BYTES),
            format="tensor",
        )


def parse_request(message: Message, card: ModelCard, settings: Settings) -> InferRequest:
    """Check all that can be checked before a model runs. Raises ``BadRequest``, ``TooLarge``, ``PictureError``."""
    body = message.body
    _check_names(body, card)
    given = only(body.parameters, PARAMETERS, "the request")
    asked = requested_outputs(body, given, card)
    run_options = pipeline.check(_run_options(given, asked), card)
    found = pictures(message, settings.max_pictures)
    _check_sizes(found, asked, settings)
    return InferRequest(body.id, found, asked, run_options)


def _check_names(body: InferBody, card: ModelCard) -> None:
    for given, name in ((body.model_name, card.name), (body.model_version, card.version)):
        if given not in (None, name):
            raise BadRequest(f"The body says {given!r}, the path {name!r}.", "Leave it out of the body.")


def _run_options(given: Mapping[str, Value], asked: Sequence[RequestedOutput]) -> RunOptions:
    side = given.get("max_side")
    if side is not None and (type(side) is not int or side < 1):
        raise BadRequest(f"max_side is {side!r}.", "Give a whole number of pixels, 512 say.")
    classes = given.get("classes", "")
    if not isinstance(classes, str):
        raise BadRequest(f"classes is {classes!r}.", "Give names separated by commas, 'person,dog' say.")
    names = tuple(name.strip() for name in classes.split(",") if name.strip())
    return RunOptions(
        classes=names, max_side=side, maps=tuple(one.output.name for one in asked if one.output.name in MAPS)
    )


def _check_sizes(found: Sequence[Picture], asked: Sequence[RequestedOutput], settings: Settings) -> None:
    """Open the headers: one size where the answer has an axis for it, and no more pixels in all than in one picture."""
    sizes = []
    for i, picture in enumerate(found):
        try:
            opened = decode.open_picture(picture, max_bytes=settings.max_bytes, max_pixels=settings.max_pixels)
        except MaskeryError as error:
            raise of_picture(error, i, len(found)) from error
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


def of_picture(error: MaskeryError, index: int, count: int) -> MaskeryError:
    """The same error, saying which picture it is about where there are several."""
    return error if count == 1 else type(error)(f"Picture {index + 1} of {count}: {error.message}", error.cure)
