"""What a native request asks for: from the query and the Accept header, a JSON body, a form or the raw body."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request

from maskery.encode.options import Options
from maskery.encode.table import named, parse_options, wanted_maps
from maskery.errors import BadRequest, nearest
from maskery.pipeline import Wish
from maskery.serving import body
from maskery.serving.json_body import BASE64, from_base64, looks_like_json, parse_json
from maskery.serving.native.accept import negotiate
from maskery.settings import Settings

PARAMETERS = ("model", "format", "classes", "max_side", "tile")
URL = "url"


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One picture of a JSON body: either its address or its bytes. ``id`` comes back with its result."""

    url: str | None = None
    base64: str | None = None
    id: str | int | None = None


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A JSON body: ``image`` for one picture, ``images`` for several; the rest as in the query."""

    image: Source | None = None
    images: list[Source] | None = None
    model: str | None = None
    format: str | None = None
    classes: list[str] | None = None
    max_side: int | None = None
    tile: int | None = None
    options: dict[str, str | int | float | bool] = {}


@dataclass(frozen=True)
class Ask:
    """``model`` is None for the default one."""

    model: str | None
    format: str
    wish: Wish
    options: Options


@dataclass(frozen=True)
class Asked:
    """``pictures``: one for each picture, in order: its bytes or where they are. ``several``: answer with a list."""

    ask: Ask
    pictures: list[bytes | Source]
    several: bool


async def read(request: Request, settings: Settings) -> Asked:
    """Read the whole request. Raises ``BadRequest``, ``NotAcceptable``, ``TooLarge``, ``SlowRequest``."""
    query = _query(request)
    if request.method == "GET":
        if not (url := query.pop(URL, None)):
            raise BadRequest("The address of a picture is missing.", "Add ?url=https://..., or POST the picture.")
        return Asked(_ask(query, {}, request), [Source(url=url)], False)
    if URL in query:
        cure = 'Use GET, or POST {"image": {"url": "https://..."}} as JSON.'
        raise BadRequest("A picture by URL is not asked for by POST with a query.", cure)
    ask = None if _may_be_json(request) else _ask(query, {}, request)  # what is wrong is said before the body is read
    # More pictures may come than one, but not more bytes than of one.
    limit = int(settings.max_bytes * BASE64) if _may_be_json(request) else settings.max_bytes
    data = await body.read_body(request, limit + body.ENVELOPE_BYTES, settings.timeout, settings.max_bytes)
    if body.is_form(request):
        form = await body.parse_form(request.headers, data, max_files=settings.max_pictures)
        files = [content for name, content in form.files if name == body.FIELD] or [form.file(body.FIELD)]
        return Asked(ask or _ask(query, {}, request), [*files], len(files) > 1)
    if looks_like_json(data):
        return _from_json(data, query, request, settings)
    if not data:
        raise BadRequest("The request has no picture.", f"Send it as the body, or as the form field {body.FIELD!r}.")
    return Asked(ask or _ask(query, {}, request), [data], False)


def decoded(source: Source, max_bytes: int) -> bytes:
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


def _from_json(data: bytes, query: Mapping[str, str], request: Request, settings: Settings) -> Asked:
    call = parse_json(data, Call)
    if (call.image is None) == (call.images is None):
        raise BadRequest("The JSON has neither or both of image and images.", 'Give one: {"image": {"url": "..."}}.')
    sources = [call.image] if call.image else call.images or []
    if not 0 < len(sources) <= settings.max_pictures:
        cure = f"Send 1 to {settings.max_pictures} (MASKERY_MAX_PICTURES)."
        raise BadRequest(f"The call has {len(sources)} pictures.", cure)
    for source in sources:
        if (source.url is None) == (source.base64 is None):
            raise BadRequest("A picture has neither or both of url and base64.", "Give one of them.")
    return Asked(_ask(query, _texts(call), request), [*sources], call.images is not None)


def _texts(call: Call) -> dict[str, str]:
    """The parameters of a JSON body as the query would have them."""
    found = {
        "model": call.model,
        "format": call.format,
        "classes": None if call.classes is None else ",".join(call.classes),
        "max_side": None if call.max_side is None else str(call.max_side),
        "tile": None if call.tile is None else str(call.tile),
    }
    given = {name: text for name, text in found.items() if text is not None}
    options = {n: str(v).lower() if isinstance(v, bool) else str(v) for n, v in call.options.items()}
    if twice := sorted(set(options) & set(PARAMETERS)):
        raise BadRequest(f"{twice[0]!r} is no option.", "Put it beside options, not into them.")
    return given | options


def _ask(query: Mapping[str, str], given: Mapping[str, str], request: Request) -> Ask:
    if twice := sorted(set(query) & set(given)):
        raise BadRequest(f"{twice[0]!r} was given in the query and in the JSON.", "Give it once.")
    texts = {**query, **given}
    format = texts.get("format") or negotiate(request.headers.get("accept", "*/*"))
    known = (*PARAMETERS, *sorted(named(format).options))
    for name in texts:
        if name not in known:
            raise BadRequest(f"Unknown parameter {name!r} for the format {format}.", nearest(name, known))
    classes = tuple(name.strip() for name in texts.get("classes", "").split(",") if name.strip())
    options = parse_options({name: text for name, text in texts.items() if name not in PARAMETERS}, format)
    max_side, tile = (_integer(name, texts.get(name)) for name in ("max_side", "tile"))
    wish = Wish(classes, max_side, wanted_maps(format, options), tile=tile)
    return Ask(texts.get("model") or None, format, wish, options)


def _integer(name: str, text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadRequest(f"{name} is {text!r}.", f"Give a whole number of pixels, {name}=512 say.")
    return int(text)


def known_fields() -> dict[str, Any]:
    """The JSON schemas of ``Call`` and ``Source``."""
    return msgspec.json.schema_components([Call, Source], ref_template="#/components/schemas/{name}")[1]
