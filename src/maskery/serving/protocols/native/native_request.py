"""A native request: the format by its Accept header; parameters of query, JSON body or form."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import anyio.to_thread
import msgspec
from starlette.requests import Request

from maskery.core.errors import BadRequest, NotAcceptable, nearest
from maskery.core.plan import RunOptions
from maskery.core.settings import Settings
from maskery.encode.options import Options
from maskery.encode.registry import ENCODERS, named, parse_options, wanted_maps
from maskery.serving.http import body
from maskery.serving.http.json_body import BASE64, from_base64, looks_like_json, parse_json

DEFAULT_FORMAT = "json"

# What a media type without a format parameter means.
BY_MEDIA_TYPE = {
    "application/json": "json",
    "image/png": "mask",
    "image/jpeg": "overlay-jpeg",
    "application/x-npy": "npy",
    "application/x-npz": "npz",
    "application/*": "json",
    "image/*": "mask",
    "*/*": DEFAULT_FORMAT,
}


def negotiate(accept: str) -> str:
    """The format that an Accept header prefers: highest q first, then the order given.

    ``image/png; format=overlay`` chooses among the formats of one media type.
    """
    choices = [_parse_range(part) for part in accept.split(",") if part.strip()] or [("*/*", 1.0, "")]
    for media_type, quality, format in sorted(choices, key=lambda choice: -choice[1]):
        if quality <= 0:
            continue
        if format and format in ENCODERS and ENCODERS[format].media_type == media_type:
            return format
        if not format and media_type in BY_MEDIA_TYPE:
            return BY_MEDIA_TYPE[media_type]
    known = [name for name in BY_MEDIA_TYPE if "*" not in name]
    raise NotAcceptable(f"Nothing here satisfies Accept: {accept[:200]!r}.", f"Accepted: {', '.join(known)}.")


def _parse_range(text: str) -> tuple[str, float, str]:
    """One media range: (media type, q, format parameter)."""
    media_type, *parameters = (part.strip().lower() for part in text.split(";"))
    values = dict(p.split("=", 1) for p in parameters if "=" in p)
    try:
        quality = float(values.get("q", "1"))
    except ValueError:
        quality = 0.0
    return media_type, quality, values.get("format", "").strip('"')


PARAMETERS = ("model", "task", "format", "classes", "max_side", "tile", "score", "overlap", "max_objects")
URL = "url"
FIELDS_AT_MOST = 64  # of a form, beside its files


class PictureSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One picture of a JSON body: either its address or its bytes. ``id`` comes back with its result."""

    url: str | None = None
    base64: str | None = None
    id: str | int | None = None


class SegmentBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON body: ``image`` for one picture, ``images`` for several; the rest as in the query.

    Attributes:
        image: One picture; the answer is one result.
        images: Several pictures; the answer is a list, in their order.
        model: A name of GET /v1/models; the default model without.
        task: In the place of a model: the first model of GET /v1/models that has this task.
        format: What to answer; without it the Accept header decides, else json.
        classes: Keep only these classes.
        max_side: Longest side, in pixels, of what the model sees.
        tile: Side, in pixels of the picture, of the tiles that it is cut into; 0 = none. Without it only huge
            pictures are cut.
        score: Of single objects, those with a lower score are left out, 0 to 1.
        overlap: Two objects of one class that overlap by more are one, 0 to 1.
        max_objects: At most so many objects, the surest.
        options: Options of the format, by their names in the query.
    """

    image: PictureSource | None = None
    images: list[PictureSource] | None = None
    model: str | None = None
    task: str | None = None
    format: str | None = None
    classes: list[str] | None = None
    max_side: int | None = None
    tile: int | None = None
    score: float | None = None
    overlap: float | None = None
    max_objects: int | None = None
    options: dict[str, str | int | float | bool] = {}


@dataclass(frozen=True, kw_only=True)
class SegmentParameters:
    """What is asked of a picture.

    Attributes:
        model: A name; None = the default model, of ``task`` where one is named.
        format: What to answer.
        run_options: Of the run.
        options: Of the format.
        task: In the place of a model.
    """

    model: str | None
    format: str
    run_options: RunOptions
    options: Options
    task: str | None = None


@dataclass(frozen=True)
class NativeRequest:
    """``pictures``: one for each picture, in order: its bytes or where they are. ``several``: answer with a list."""

    ask: SegmentParameters
    pictures: list[bytes | PictureSource]
    several: bool


async def read(request: Request, settings: Settings) -> NativeRequest:
    """Read the whole request. Raises ``BadRequest``, ``NotAcceptable``, ``TooLarge``, ``SlowRequest``."""
    query = _query(request)
    if request.method == "GET":
        if not (url := query.pop(URL, None)):
            raise BadRequest("The address of a picture is missing.", "Add ?url=https://..., or POST the picture.")
        return NativeRequest(_ask(query, {}, request), [PictureSource(url=url)], False)
    if URL in query:
        cure = 'Use GET, or POST {"image": {"url": "https://..."}} as JSON.'
        raise BadRequest("A picture by URL is not asked for by POST with a query.", cure)
    later = _may_be_json(request) or body.is_form(request)  # the body may have parameters too
    ask = None if later else _ask(query, {}, request)  # what is wrong is said before the body is read
    # More pictures may come than one, but not more bytes than of one.
    limit = int(settings.max_bytes * BASE64) if _may_be_json(request) else settings.max_bytes
    data = await body.read_body(request, limit + body.ENVELOPE_BYTES, settings.timeout, settings.max_bytes)
    if body.is_form(request):
        form = await body.parse_form(request.headers, data, max_files=settings.max_pictures, max_fields=FIELDS_AT_MOST)
        files = [content for name, content in form.files if name == body.FIELD] or [form.file(body.FIELD)]
        parameters = _ask(query, _fields(form), request)
        return NativeRequest(parameters, [*files], len(files) > 1)
    if looks_like_json(data):
        return _from_json(data, query, request, settings)
    if not data:
        raise BadRequest("The request has no picture.", f"Send it as the body, or as the form field {body.FIELD!r}.")
    return NativeRequest(ask or _ask(query, {}, request), [data], False)


async def picture_bytes(
    picture: bytes | PictureSource, fetch: Callable[[str], Awaitable[bytes]], max_bytes: int
) -> bytes:
    """The bytes of a picture, fetched or decoded where it is not there as such.

    Raises ``BadRequest``, ``TooLarge`` and what ``fetch`` raises.
    """
    if isinstance(picture, bytes):
        return picture
    if picture.url is not None and not picture.url.startswith("data:"):
        return await fetch(picture.url)
    text = picture if picture.base64 is not None else PictureSource(base64=picture.url)
    return await anyio.to_thread.run_sync(decoded, text, max_bytes)


def _fields(form: body.Form) -> dict[str, str]:
    """The text fields of a form: parameters as in the query. Raises ``BadRequest`` for a file of another name."""
    for name, _ in form.files:
        if name != body.FIELD:
            raise BadRequest(f"The form has a file {name!r}.", f"Pictures are in the field {body.FIELD!r}.")
    names = [name for name, _ in form.fields]
    for name in names:
        if names.count(name) > 1:
            raise BadRequest(f"Form field {name!r} was given twice.", "Give it once.")
    return dict(form.fields)


def decoded(source: PictureSource, max_bytes: int) -> bytes:
    """The bytes of a source with base64 text. Raises ``BadRequest``, ``TooLarge``."""
    return from_base64(source.base64 or "", max_bytes)


def _may_be_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind.endswith("json") or kind in ("", "text/plain", "application/x-www-form-urlencoded")


def _query(request: Request) -> dict[str, str]:
    """Query parameters. Raises ``BadRequest`` for one that is given twice."""
    for name in request.query_params:
        if len(request.query_params.getlist(name)) > 1:
            raise BadRequest(f"Query parameter {name!r} was given twice.", "Give it once.")
    return dict(request.query_params)


def _from_json(data: bytes, query: Mapping[str, str], request: Request, settings: Settings) -> NativeRequest:
    call = parse_json(data, SegmentBody)
    if (call.image is None) == (call.images is None):
        raise BadRequest("The JSON has neither or both of image and images.", 'Give one: {"image": {"url": "..."}}.')
    sources = [call.image] if call.image else call.images or []
    if not 0 < len(sources) <= settings.max_pictures:
        cure = f"Send 1 to {settings.max_pictures} (MASKERY_MAX_PICTURES)."
        raise BadRequest(f"The call has {len(sources)} pictures.", cure)
    for source in sources:
        if (source.url is None) == (source.base64 is None):
            raise BadRequest("A picture has neither or both of url and base64.", "Give one of them.")
    return NativeRequest(_ask(query, _texts(call), request, call.classes), [*sources], call.images is not None)


def _texts(call: SegmentBody) -> dict[str, str]:
    """The parameters of a JSON body as the query would have them."""
    found = {
        "model": call.model,
        "task": call.task,
        "format": call.format,
        "max_side": None if call.max_side is None else str(call.max_side),
    }
    for name in ("tile", "score", "overlap", "max_objects"):
        value = getattr(call, name)
        found[name] = None if value is None else str(value)
    given = {name: text for name, text in found.items() if text is not None}
    options = {n: str(v).lower() if isinstance(v, bool) else str(v) for n, v in call.options.items()}
    if twice := sorted(set(options) & set(PARAMETERS)):
        raise BadRequest(f"{twice[0]!r} is no option.", "Put it beside options, not into them.")
    return given | options


def _ask(
    query: Mapping[str, str], given: Mapping[str, str], request: Request, listed: Sequence[str] | None = None
) -> SegmentParameters:
    """``given``: parameters of the body; ``listed``: the classes of a JSON body, where it has them."""
    if twice := sorted(set(query) & {*given, *(() if listed is None else ("classes",))}):
        where = "form" if body.is_form(request) else "JSON"
        raise BadRequest(f"{twice[0]!r} was given in the query and in the {where}.", "Give it once.")
    texts = {**query, **given}
    format = texts.get("format") or negotiate(request.headers.get("accept", "*/*"))
    known = (*PARAMETERS, *sorted(named(format).options))
    for name in texts:
        if name not in known:
            raise BadRequest(f"Unknown parameter {name!r} for the format {format}.", nearest(name, known))
    classes = tuple(name.strip() for name in texts.get("classes", "").split(",") if name.strip())
    classes = classes if listed is None else tuple(listed)
    options = parse_options({name: text for name, text in texts.items() if name not in PARAMETERS}, format)
    run_options = RunOptions(
        classes=classes,
        max_side=_integer("max_side", texts),
        maps=wanted_maps(format, options),
        tile=_integer("tile", texts),
        score=_share("score", texts),
        overlap=_share("overlap", texts),
        max_objects=_integer("max_objects", texts, "objects"),
    )
    model, task = texts.get("model") or None, texts.get("task") or None
    if model and task:
        raise BadRequest("Both a model and a task are named.", "Name one: a model has its own task.")
    return SegmentParameters(model=model, format=format, run_options=run_options, options=options, task=task)


def _integer(name: str, texts: Mapping[str, str], what: str = "pixels") -> int | None:
    text = texts.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadRequest(f"{name} is {text!r}.", f"Give a whole number of {what}, {name}=512 say.")
    return int(text)


def _share(name: str, texts: Mapping[str, str]) -> float | None:
    text = texts.get(name)
    if not text:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise BadRequest(f"{name} is {text!r}.", f"Give a number from 0 to 1, {name}=0.5 say.") from error
