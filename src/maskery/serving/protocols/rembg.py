"""The API of rembg's server (docs/protocols/rembg.md): a picture in, the same without its background out."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from maskery.core.card import ModelCard
from maskery.core.errors import (
    BadRequest,
    BadUrl,
    PrivateHost,
    TooLarge,
    TooManyRedirects,
    UnknownHost,
    UnknownModel,
    UrlNotFetched,
    nearest,
)
from maskery.core.plan import Demand, RunOptions
from maskery.core.result.capabilities import HasClasses, expect
from maskery.encode.raster.cutout import Look, Rgba, encode_removed, encode_removed_mask
from maskery.encode.registry import find
from maskery.inference.tasks.registry import task_of
from maskery.serving.http import request_log
from maskery.serving.http.body import read_form
from maskery.serving.http.json_body import json_response
from maskery.serving.protocols.base import FormSpec, Operation, ParameterSpec, Protocol, ResponseSpec, binary, get
from maskery.serving.protocols.envelope import Failure
from maskery.serving.protocols.values import Fault, Values
from maskery.serving.runtime.request import Outcome, SegmentRequest, Writer, writers_by_name
from maskery.serving.runtime.service import InferenceService

# Of a POST these are fields of the form, of a GET they stand in the query like the others.
FORM = ("model", "a", "af", "ab", "ae", "om", "ppm")
QUERY = ("bgc", "extras")
EXTRAS = ("classes",)


@dataclass(frozen=True)
class RembgRequest:
    """``model`` is None where none was named."""

    model: str | None
    only_mask: bool
    look: Look
    classes: tuple[str, ...]


def read(form: Values, query: Values) -> RembgRequest:
    """The parameters; ``form`` is the query itself in a GET. What is wrong is noted in their faults.

    Raises ``BadRequest`` for alpha matting, which there is not.
    """
    matting = form.boolean("a")
    form.integer("af", 240, most=255)
    form.integer("ab", 10, most=255)
    form.integer("ae", 10)
    ask = RembgRequest(
        form.text("model"), form.boolean("om"), Look(form.boolean("ppm"), _colour(query)), _classes(query)
    )
    if matting and not form.faults and not query.faults:
        cure = "Leave a out; a foreground model (selfie-256, say) gives soft edges without it."
        raise BadRequest("This server has no alpha matting.", cure)
    return ask


def _colour(query: Values) -> Rgba | None:
    """``bgc``: "r,g,b" or "r,g,b,a"."""
    text = query.text("bgc")
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    known = len(parts) in (3, 4) and all(part.isascii() and part.isdigit() and len(part) < 4 for part in parts)
    numbers = [int(part) for part in parts] if known else []
    if not known or max(numbers) > 255:
        query.fault("bgc", "Value error, give red, green, blue and alpha from 0 to 255: 255,255,255,255", "value_error")
        return None
    red, green, blue, opacity = [*numbers, 255][:4]
    return red, green, blue, opacity


def _classes(query: Values) -> tuple[str, ...]:
    """The key ``classes`` of ``extras``: a list of names, or text with commas."""
    text = query.text("extras")
    if text is None:
        return ()
    try:
        extras = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        extras = None
    if not isinstance(extras, dict):
        query.fault("extras", 'Value error, give a JSON object: {"classes": "person,dog"}', "value_error")
        return ()
    for key in extras:
        if key not in EXTRAS:
            query.fault("extras", f"Unknown key {key!r}. {nearest(key, EXTRAS)}", "extra_forbidden")
    names = extras.get("classes", [])
    names = names.split(",") if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        query.fault("extras", "Value error, classes is a list of names, or names with commas between", "value_error")
        return ()
    return tuple(name.strip() for name in names if name.strip())


NAME = "rembg"
FILE, URL = "file", "url"
PROBLEMS = (400, 404, 408, 409, 413, 415, 422, 503)
ANSWERED_BY = "X-Maskery-Model"
CUT_OUT_BYTES, MASK_BYTES, SMOOTH_BYTES = 4.0, 1.0, 4.0
"""A pixel, while the answer is written: a cut-out, a mask, and besides while the mask is smoothed."""
# What a client of rembg names, or leaves to be named, when it does not care.
STANDARD = "u2net"

# The original's words, where it has some.
WORDS = (
    (PrivateHost, "Requests to private/internal addresses are not allowed."),
    (UnknownHost, "Could not resolve hostname."),
    (TooManyRedirects, "Too many redirects."),
    (TooLarge, "Image exceeds maximum size."),
)


class Detail(msgspec.Struct, frozen=True):
    """One thing that is wrong with a parameter, in FastAPI's words. ``loc``: query or body, then the name."""

    loc: tuple[str, ...]
    msg: str
    type: str


class RembgError(msgspec.Struct, frozen=True):
    """An error as text, or everything that is wrong with the parameters."""

    detail: str | list[Detail]


def protocol(service: InferenceService) -> Protocol:
    """One path; a POST with the picture, a GET with its address."""
    api, fields = Rembg(service), _fields()
    query = (
        ParameterSpec(name="bgc", text="Colour of the background: `255,255,255,255`."),
        ParameterSpec(name="extras", text='JSON object; `{"classes": "person,dog"}` keeps only these.'),
    )
    url = ParameterSpec(name=URL, text="Address of the picture, http or https; docs/security.md.", required=True)
    png = {200: ResponseSpec("RGBA, or grey with om.", {"image/png": binary("image/png")})}
    by_url = get(
        "/api/remove",
        api.by_url,
        "The picture at an address without its background.",
        png,
        (url, *fields, *query),
        (*PROBLEMS, 424),
    )
    by_file = Operation(
        verb="POST",
        path="/api/remove",
        handler=api.by_file,
        summary="The picture without its background.",
        answers=png,
        problems=PROBLEMS,
        parameters=query,
        body={"multipart/form-data": FormSpec(FILE, fields)},
    )
    return Protocol(name=NAME, tag=NAME, operations=(by_url, by_file), envelope=envelope, problem=RembgError)


def _fields() -> tuple[ParameterSpec, ...]:
    """The table of ``FORM``, as OpenAPI has it."""
    matting, byte, size = "For alpha matting.", Annotated[int, Meta(ge=0, le=255)], Annotated[int, Meta(ge=0)]
    return (
        ParameterSpec(name="model", text=f"A name of /v1/models; {STANDARD}, as without: the default model."),
        ParameterSpec(name="a", text="Alpha matting: not available, true is refused.", kind=bool),
        ParameterSpec(name="af", text=matting, kind=byte),
        ParameterSpec(name="ab", text=matting, kind=byte),
        ParameterSpec(name="ae", text=matting, kind=size),
        ParameterSpec(name="om", text="Only the mask, as a grey PNG.", kind=bool),
        ParameterSpec(name="ppm", text="Post-process the mask: specks go, edges become smooth.", kind=bool),
    )


class Rembg:
    def __init__(self, service: InferenceService) -> None:
        self.service, self.settings = service, service.settings

    async def by_url(self, request: Request) -> Response:
        """GET /api/remove?url="""
        query = Values("query", request.query_params.multi_items())
        query.expect((URL, *FORM, *QUERY))
        ask = read(query, query)
        url = query.text(URL)
        if url is None:
            query.fault(URL, "Field required", "missing")
        if query.faults or url is None:
            return invalid(query.faults)
        name = await self._model(ask)
        return await self._answer(ask, name, await self._fetched(url), request)

    async def by_file(self, request: Request) -> Response:
        """POST /api/remove"""
        query = Values("query", request.query_params.multi_items())
        query.expect(QUERY, elsewhere=FORM)
        form = await read_form(request, self.settings.max_bytes, self.settings.timeout)
        fields, files = Values("body", form.fields), [data for name, data in form.files if name == FILE]
        fields.expect(FORM, elsewhere=QUERY)
        ask = read(fields, query)
        if not files:
            fields.fault(FILE, "Field required", "missing")
        if faults := query.faults + fields.faults:
            return invalid(faults)
        return await self._answer(ask, await self._model(ask), files[0], request)

    async def _answer(self, ask: RembgRequest, name: str | None, data: bytes, request: Request) -> Response:
        format = "mask" if ask.only_mask else "cutout"
        held = (MASK_BYTES if ask.only_mask else CUT_OUT_BYTES) + (SMOOTH_BYTES if ask.look.smooth else 0)
        segment_request = SegmentRequest(
            source=data,
            answer=PNG.with_options(ask),
            model=name,
            run_options=RunOptions(classes=ask.classes),
            demand=Demand(photo=not ask.only_mask, bands=True, held=held),
            format=format,
        )
        body, model = await self.service.segment(segment_request, request)
        return Response(body, media_type="image/png", headers={ANSWERED_BY: model})

    async def _model(self, ask: RembgRequest) -> str | None:
        """The model that is to answer, None for the server's default, which also stands in for rembg's standard one.

        Raises ``UnknownModel``; ``BadRequest`` for a model that cannot cut out.
        """
        name = ask.model
        try:
            card = await self.service.card(name)
        except UnknownModel:
            if name != STANDARD:
                names = ", ".join(card.name for card in await self.service.cards() if _answers(card))
                raise UnknownModel(f"There is no model {name!r} here.", f"Leave model out, or name {names}.") from None
            name, card = None, await self.service.card()
        task = task_of(card)
        find("cutout", task)
        if not task.gives(HasClasses):
            cure = "Name a foreground or semantic model; /v1/segment?format=cutouts gives each object of this one."
            raise BadRequest(f"{card.name} is {task.noun}: it has no background to take away.", cure)
        return name

    async def _fetched(self, url: str) -> bytes:
        """The bytes at the URL. Raises ``BadRequest`` in rembg's words."""
        scheme, _, rest = url.partition("://")
        if scheme.lower() not in ("http", "https"):
            raise BadRequest("Only http and https URLs are allowed.")
        if rest[:1] in ("", "/", "?", "#", ":"):
            raise BadRequest("Invalid URL: missing hostname.")
        try:
            return await self.service.fetch(url)
        except (BadUrl, UrlNotFetched, TooLarge) as error:
            words = next((words for kind, words in WORDS if isinstance(error, kind)), None)
            raise (BadRequest(words) if words else BadRequest(error.message, error.cure)) from error


def _answers(card: ModelCard) -> bool:
    """Whether a model with this card cuts out by itself, without being asked by clicks."""
    task = task_of(card)
    return task.gives(HasClasses) and not task.prompted


def encode(served: Outcome, ask: RembgRequest) -> bytes:
    """The PNG: RGBA, or the grey mask alone."""
    result = expect(served.drawn, HasClasses)
    if ask.only_mask:
        return encode_removed_mask(result, ask.look)
    assert served.shown is not None, "the order asks for it"
    return encode_removed(result, served.shown, ask.look)


def write_png(outcome: Outcome, ask: RembgRequest) -> tuple[bytes, str]:
    """The PNG, and the name of the model that made it."""
    return encode(outcome, ask), outcome.card.name


PNG = Writer(f"{NAME}:png", write_png)
WRITERS = writers_by_name(PNG)


def invalid(faults: list[Fault]) -> Response:
    """Parameters that mean nothing: 422 with all of them, in FastAPI's shape."""
    request_log.current().problem = BadRequest.code
    return json_response(RembgError([Detail(fault.place, fault.message, fault.kind) for fault in faults]), 422)


def envelope(failure: Failure) -> Response:
    """``{"detail": text}``."""
    return json_response(RembgError(failure.text), failure.status, failure.headers)
