"""What answers of /v1/segment are: one picture's encoded body, several as a JSON list; and their ETags."""

import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import anyio.to_thread
import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request

from maskery.core.card import ModelCard
from maskery.core.errors import MaskeryError, Unchanged
from maskery.core.picture.decode import Picture
from maskery.core.plan import RunOptions
from maskery.core.version import __version__
from maskery.encode.options import Options
from maskery.encode.registry import ENCODERS, encode
from maskery.serving.http import problems
from maskery.serving.protocols.native.native_request import PictureSource, SegmentParameters
from maskery.serving.runtime.request import Outcome, SegmentRequest, Writer

# A summary is decided on a grid of at most this many pixels a side, about that of the models' own scores.
SUMMARY_SIDE = 96
HASHED_AT_ONCE = 1 << 20  # bytes; more are hashed in a thread


class PictureAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of several pictures: its result, or its problem.

    Attributes:
        id: As the request named the picture; absent where it did not.
        status: What the picture would have had alone: 200, or an error's.
        problem: Why there is no result.
        media_type: Of the result.
        result: One that is JSON.
        base64: Any other one.
    """

    id: str | int | UnsetType = UNSET
    status: int
    problem: problems.Problem | UnsetType = UNSET
    media_type: str | UnsetType = UNSET
    result: msgspec.Raw | UnsetType = UNSET
    base64: str | UnsetType = UNSET


class PictureAnswers(msgspec.Struct, frozen=True):
    """The answer to several pictures, in their order."""

    results: list[PictureAnswer]


@dataclass(frozen=True)
class EncodedAnswer:
    """One picture's answer: its encoded body, the milliseconds of each stage, and how it was worked on."""

    body: bytes
    timings_ms: Mapping[str, float]
    plan: str
    note: str = ""

    def headers(self) -> dict[str, str]:
        """Server-Timing; Maskery-Plan and Maskery-Note where there is something to say."""
        stages = ", ".join(f"{name};dur={value:g}" for name, value in self.timings_ms.items())
        said = {"Maskery-Plan": self.plan, "Maskery-Note": self.note}
        return {"Server-Timing": stages} | {name: text for name, text in said.items() if text}


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
    meta = outcome.drawn.meta
    return EncodedAnswer(body, meta.timings_ms | {"encode": milliseconds}, meta.plan_header(), meta.note)


FILE = Writer("native:file", write_file)


def request_of(parameters: SegmentParameters, data: bytes) -> SegmentRequest[EncodedAnswer]:
    """The picture ``data`` and the file that is made of it."""
    options = parameters.run_options
    return SegmentRequest(
        source=data,
        answer=FILE.with_options(FileOptions(parameters.format, parameters.options)),
        model=parameters.model,
        run_options=of_summary(options) if parameters.format == "summary" else options,
        demand=ENCODERS[parameters.format].demand,
        format=parameters.format,
    )


def one_of_several(picture: bytes | PictureSource, outcome: EncodedAnswer | MaskeryError, format: str) -> PictureAnswer:
    """An answer, or the error in its place, inside JSON: as it is, or as base64 text."""
    id = picture.id if isinstance(picture, PictureSource) and picture.id is not None else UNSET
    if isinstance(outcome, MaskeryError):
        return PictureAnswer(id=id, status=problems.status_of(outcome), problem=problems.body_of(outcome))
    media_type, body = ENCODERS[format].media_type, outcome.body
    if media_type.endswith("json"):
        return PictureAnswer(id=id, status=200, media_type=media_type, result=msgspec.Raw(body))
    return PictureAnswer(id=id, status=200, media_type=media_type, base64=base64.b64encode(body).decode("ascii"))


def of_summary(run_options: RunOptions) -> Callable[[Picture], RunOptions]:
    """The options on a small grid: what a summary needs, at almost no cost."""

    def of(picture: Picture) -> RunOptions:
        width, height = picture.size_wh
        scale = min(1.0, SUMMARY_SIDE / max(width, height))
        return replace(run_options, answer_wh=(max(1, round(width * scale)), max(1, round(height * scale))))

    return of


async def etag(data: bytes, parameters: SegmentParameters, card: ModelCard) -> str:
    """``etag_of``, in a thread where ``data`` is long."""
    if len(data) <= HASHED_AT_ONCE:
        return etag_of(data, parameters, card)
    return await anyio.to_thread.run_sync(etag_of, data, parameters, card)


def etag_of(data: bytes, parameters: SegmentParameters, card: ModelCard) -> str:
    """Weak, because the milliseconds in a JSON answer differ from time to time; all else is the same."""
    asked = (parameters.format, parameters.run_options, parameters.options)
    details = ("details",) if parameters.options.details else ()  # not in repr: other answers keep their ETags
    objects = parameters.run_options.of_objects
    more = (*details, objects) if objects else details
    digest = hashlib.blake2b(data, digest_size=16)
    digest.update(repr((__version__, card.name, card.version, card.sha256, card.detector, *asked, *more)).encode())
    return f'W/"{digest.hexdigest()}"'


def expect_changed(request: Request, etag: str) -> None:
    """Raises ``Unchanged`` where the caller has this very answer (If-None-Match)."""
    given = request.headers.get("if-none-match", "")
    names = {name.strip().removeprefix("W/") for name in given.split(",")}
    if given.strip() == "*" or etag.removeprefix("W/") in names:
        raise Unchanged("You have this answer already.", "Use it, or ask without If-None-Match.", etag)
