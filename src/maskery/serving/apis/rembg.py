"""The API of rembg's server (docs/protocols/rembg.md): a picture in, the same without its background out."""

from collections.abc import Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from maskery.encode.removed import encode_removed, encode_removed_mask
from maskery.encode.table import find
from maskery.engine.memory_plan import Demand
from maskery.errors import (
    BadRequest,
    BadUrl,
    PrivateHost,
    TooLarge,
    TooManyRedirects,
    UnknownHost,
    UnknownModel,
    UrlNotFetched,
)
from maskery.pipeline import Wish
from maskery.result import ClassificationResult
from maskery.serving import record, schema
from maskery.serving.apis.rembg_ask import FORM, QUERY, Ask, read
from maskery.serving.apis.values import Fault, Values
from maskery.serving.body import read_form
from maskery.serving.desk import Desk
from maskery.serving.door import Failure, route
from maskery.serving.order import Order, Served

FILE, URL = "file", "url"
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


def routes(desk: Desk) -> list[Route]:
    """What is served."""
    api = Rembg(desk)
    return [route("/api/remove", {"GET": api.by_url, "POST": api.by_file}, envelope)]


class Rembg:
    def __init__(self, desk: Desk) -> None:
        self.desk, self.settings = desk, desk.settings

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

    async def _answer(self, ask: Ask, name: str | None, data: bytes, request: Request) -> Response:
        format = "mask" if ask.only_mask else "cutout"
        held = (MASK_BYTES if ask.only_mask else CUT_OUT_BYTES) + (SMOOTH_BYTES if ask.look.smooth else 0)
        demand = Demand(photo=not ask.only_mask, bands=True, held=held)
        order = Order(data, name, Wish(ask.classes), demand, protocol="rembg", format=format)
        body, model = await self.desk.serve(order, lambda served: (encode(served, ask), served.card.name), request)
        return Response(body, media_type="image/png", headers={ANSWERED_BY: model})

    async def _model(self, ask: Ask) -> str | None:
        """The model that is to answer, None for the server's default, which also stands in for rembg's standard one.

        Raises ``UnknownModel``; ``BadRequest`` for a model that cannot cut out.
        """
        name = ask.model
        try:
            card = await self.desk.card(name)
        except UnknownModel:
            if name != STANDARD:
                names = ", ".join(card.name for card in await self.desk.cards() if card.task != "classification")
                raise UnknownModel(f"There is no model {name!r} here.", f"Leave model out, or name {names}.") from None
            name, card = None, await self.desk.card()
        find("cutout", card.task)
        return name

    async def _fetched(self, url: str) -> bytes:
        """The bytes at the URL. Raises ``BadRequest`` in rembg's words."""
        scheme, _, rest = url.partition("://")
        if scheme.lower() not in ("http", "https"):
            raise BadRequest("Only http and https URLs are allowed.")
        if rest[:1] in ("", "/", "?", "#", ":"):
            raise BadRequest("Invalid URL: missing hostname.")
        try:
            return await self.desk.fetch(url)
        except (BadUrl, UrlNotFetched, TooLarge) as error:
            said = next((words for kind, words in WORDS if isinstance(error, kind)), None)
            raise (BadRequest(said) if said else BadRequest(error.message, error.cure)) from error


def encode(served: Served, ask: Ask) -> bytes:
    """The PNG: RGBA, or the grey mask alone."""
    result = served.drawn
    assert not isinstance(result, ClassificationResult), "find has seen to it"
    if ask.only_mask:
        return encode_removed_mask(result, ask.look)
    assert served.shown is not None, "the order asks for it"
    return encode_removed(result, served.shown, ask.look)


def invalid(faults: list[Fault]) -> Response:
    """Parameters that mean nothing: 422 with all of them, in FastAPI's shape."""
    record.current().problem = BadRequest.code
    return _json({"detail": [fault.plain for fault in faults]}, 422)


def envelope(failure: Failure) -> Response:
    """``{"detail": text}``."""
    return _json({"detail": failure.text}, failure.status, failure.headers)


def _json(value: object, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, media_type=schema.JSON)
