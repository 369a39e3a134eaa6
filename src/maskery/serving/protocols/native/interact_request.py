"""What POST /v1/interact is sent: a picture and what is pointed at, as JSON, as a form, or as a body with a query."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request

from maskery.core.errors import BadRequest, nearest
from maskery.core.prompt import Prompt
from maskery.core.settings import Settings
from maskery.encode.annotations.coco_counts import coarse_of, counts_of
from maskery.encode.document import RunLengths
from maskery.encode.options import PLAIN_OPTIONS, Options
from maskery.encode.registry import ENCODERS, parse_options
from maskery.inference.prompts.prompt_input import check_candidates, expect_few, prompt_of, text_box, text_click
from maskery.serving.http import body
from maskery.serving.http.json_body import BASE64, looks_like_json, parse_json
from maskery.serving.protocols.native.native_request import URL, PictureSource

MODEL = "prompt"
"""Asked where the request names none."""
JSON_FORMAT, PNG_FORMAT = "json", "png"
FORMATS = (JSON_FORMAT, PNG_FORMAT, *(name for name in ENCODERS if name != JSON_FORMAT))
FIELDS = ("model", "format", "points", "labels", "box", "previous", "candidates", URL)


class InteractBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON body. Places are in pixels of the upright picture, from its left upper corner.

    Attributes:
        image: The picture.
        url: Its address, in place of ``image``.
        model: A name of GET /v1/models; ``prompt`` without.
        format: ``json`` (default), ``png``, or one of the formats of POST /v1/segment.
        points: [x, y], or [x, y, 1] on the object and [x, y, 0] beside it; all of them, in the order of the clicks.
        labels: 1 or 0 for each point, where the points do not say it.
        box: [x1, y1, x2, y2], two opposite corners of a box around the object.
        previous: A hint: the mask that is corrected, as it was answered.
        candidates: How many masks at most, best first.
        options: Options of the format.
    """

    image: PictureSource | None = None
    url: str | None = None
    model: str | None = None
    format: str | None = None
    points: list[list[float]] = []
    labels: list[int] | None = None
    box: list[float] | None = None
    previous: RunLengths | None = None
    candidates: int = 1
    options: dict[str, str | int | float | bool] = {}


@dataclass(frozen=True, kw_only=True)
class InteractRequest:
    """A request, understood.

    Attributes:
        picture: Its bytes, or where they are.
        model: A name.
        format: One of ``FORMATS``.
        prompt: What is pointed at; empty = the picture is only to be looked at, for the clicks to come.
        candidates: How many masks at most.
        options: Of the format.
    """

    picture: bytes | PictureSource
    model: str
    format: str
    prompt: Prompt
    candidates: int
    options: Options = PLAIN_OPTIONS


async def read(request: Request, settings: Settings) -> InteractRequest:
    """Read the whole request. Raises ``BadRequest``, ``TooLarge``, ``SlowRequest``."""
    query = _query(request)
    limit = int(settings.max_bytes * BASE64) + body.ENVELOPE_BYTES
    data = await body.read_body(request, limit, settings.timeout, settings.max_bytes)
    if body.is_form(request):
        form = await body.parse_form(request.headers, data)
        return _of_texts(form.file(body.FIELD), _united(query, form.fields), settings)
    if looks_like_json(data):
        if query:
            raise BadRequest("The request has JSON and a query.", "Put all of it into the JSON.")
        return _of_json(parse_json(data, InteractBody), settings)
    if not data and URL not in query:
        raise BadRequest("The request has no picture.", f"Send it as the body, or as the form field {body.FIELD!r}.")
    return _of_texts(data, query, settings)


def _query(request: Request) -> dict[str, str]:
    return _united({}, request.query_params.multi_items())


def _united(first: Mapping[str, str], pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """All of them. Raises ``BadRequest`` for a name that is given twice."""
    found = dict(first)
    for name, text in pairs:
        if name in found:
            raise BadRequest(f"{name!r} was given twice.", "Give it once.")
        found[name] = text
    return found


def _of_json(call: InteractBody, settings: Settings) -> InteractRequest:
    source = call.image if call.url is None else PictureSource(url=call.url)
    if source is None or (call.image is not None and call.url is not None):
        raise BadRequest("The JSON has neither or both of image and url.", 'Give one: {"url": "https://..."}.')
    if (source.url is None) == (source.base64 is None):
        raise BadRequest("A picture has neither or both of url and base64.", "Give one of them.")
    return _request(source, call, settings)


def _of_texts(data: bytes, texts: Mapping[str, str], settings: Settings) -> InteractRequest:
    """The parameters of a query or a form, as a JSON body would have them."""
    if URL in texts and data:
        raise BadRequest("The request has a picture and an address.", "Send one of them.")
    call = InteractBody(
        model=texts.get("model"),
        format=texts.get("format"),
        points=_points(texts.get("points", "")),
        labels=_json(texts, "labels", list[int]),
        box=_box(texts.get("box", "")),
        previous=_json(texts, "previous", RunLengths),
        candidates=_count(texts.get("candidates", "1")),
        options={name: text for name, text in texts.items() if name not in FIELDS},
    )
    return _request(PictureSource(url=texts[URL]) if URL in texts else data, call, settings)


def _request(picture: bytes | PictureSource, call: InteractBody, settings: Settings) -> InteractRequest:
    format = call.format or JSON_FORMAT
    if format not in FORMATS:
        raise BadRequest(f"There is no format {format!r}.", nearest(format, FORMATS))
    given = call.previous
    previous = coarse_of(counts_of(given.counts, given.size, settings.max_pixels), given.size) if given else None
    points, labels = _labelled(call)
    prompt = prompt_of(points, labels, call.box, previous)
    candidates = check_candidates(call.candidates)
    if format == PNG_FORMAT and candidates > 1:
        raise BadRequest("A PNG has one mask.", "Ask for one candidate, or for format=json.")
    return InteractRequest(
        picture=picture,
        model=call.model or MODEL,
        format=format,
        prompt=prompt,
        candidates=candidates,
        options=_options(call.options, format),
    )


def _options(given: Mapping[str, str | int | float | bool], format: str) -> Options:
    """Raises ``BadRequest`` for what is neither an option of the format nor a parameter."""
    known = (*FIELDS, *sorted(ENCODERS[format].options if format in ENCODERS else ()))
    for name in given:
        if name not in known or name in FIELDS:
            raise BadRequest(f"Unknown parameter {name[:80]!r} for the format {format}.", nearest(name, known))
    if not given:
        return PLAIN_OPTIONS
    return parse_options({n: str(v).lower() if isinstance(v, bool) else str(v) for n, v in given.items()}, format)


def _labelled(call: InteractBody) -> tuple[list[list[float]], list[bool] | None]:
    """Points, and whether each is on the object. Raises ``BadRequest`` for labels that are neither 0 nor 1."""
    expect_few(len(call.points))
    own = [point[2] for point in call.points if len(point) == 3]
    if own and (call.labels is not None or len(own) < len(call.points)):
        raise BadRequest("Some points have labels and some have none.", "Write [x, y, label] each, or a list labels.")
    labels: Sequence[float] | None = own or call.labels
    if labels is None:
        return call.points, None
    if any(label not in (0, 1) for label in labels):
        raise BadRequest("A label is neither 0 nor 1.", "1 is on the object, 0 beside it.")
    return [point[:2] if own else point for point in call.points], [label == 1 for label in labels]


def _points(text: str) -> list[list[float]]:
    """A JSON list, or ``x,y;x,y,-``. Raises ``BadRequest``."""
    if text.lstrip().startswith("["):
        return _json({"points": text}, "points", list[list[float]]) or []
    parts = [part for part in text.split(";") if part.strip()]
    expect_few(len(parts))
    clicks = [text_click(part) for part in parts]
    return [[click.x, click.y, float(click.positive)] for click in clicks]


def _box(text: str) -> list[float] | None:
    found = text_box(text.strip().removeprefix("[").removesuffix("]"))
    return list(found) if found else None


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text, re.ASCII):
        raise BadRequest(f"candidates is {text[:80]!r}.", "Give 1, 2 or 3.")
    return int(text)


def _json(texts: Mapping[str, str], name: str, kind: Any) -> Any:
    """The field as JSON, None where it is not there or empty. Raises ``BadRequest``."""
    text = texts.get(name, "").strip()
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise BadRequest(f"{name} is not as it should be: {error}.", "Write it as in a JSON body.") from error
    except RecursionError as error:
        raise BadRequest(f"{name} is nested too deeply.", "Write it as in a JSON body.") from error
