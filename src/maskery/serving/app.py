"""Routes and what ties them together. The work is in ``pipeline``; this file only translates."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio.to_thread
import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from maskery import image
from maskery.encode.table import ENCODERS, encode, find
from maskery.errors import MaskeryError, UnknownModel, nearest
from maskery.image import Picture
from maskery.serving import problems, query
from maskery.serving.body import read_picture
from maskery.serving.cards import public
from maskery.serving.headers import SecurityHeaders
from maskery.serving.memory import room_for
from maskery.serving.openapi import document
from maskery.serving.request_id import RequestIds
from maskery.serving.residents import Residents
from maskery.serving.workers import Workers
from maskery.settings import Settings

WEB = Path(__file__).parent / "web"


class Service:
    """The endpoints, over one set of loaded models."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.residents = Residents(settings)
        self.workers = Workers(settings.concurrency, settings.max_queue, settings.timeout)

    async def segment(self, request: Request) -> Response:
        """POST /v1/segment"""
        settings = self.settings
        ask = query.parse(request)
        data = await read_picture(request, settings.max_bytes, settings.timeout)

        def work() -> bytes:
            model = self.residents.get(ask.model)
            find(ask.format, model.card.task)
            picture = image.open_picture(data, max_bytes=settings.max_bytes, max_pixels=settings.max_pixels)
            photo = ENCODERS[ask.format].needs_photo
            with room_for(full_decode_pixels(picture, photo)):
                result = model.run(picture, ask.wish)
                return encode(result, ask.format, picture.rgb() if photo else None)

        body = await self.workers.run(work)
        return Response(body, media_type=ENCODERS[ask.format].media_type, headers={"Vary": "Accept"})

    async def models(self, _: Request) -> Response:
        """GET /v1/models"""
        cards = await anyio.to_thread.run_sync(self.residents.cards)
        return _json({"default": self.residents.default, "models": [public(card) for card in cards]})

    async def model(self, request: Request) -> Response:
        """GET /v1/models/{name}"""
        name = request.path_params["name"]
        cards = {card.name: card for card in await anyio.to_thread.run_sync(self.residents.cards)}
        if name not in cards:
            raise UnknownModel(f"There is no model {name!r} here.", nearest(name, cards))
        return _json(public(cards[name]))

    async def livez(self, _: Request) -> Response:
        """GET /livez"""
        return _json({"live": True})

    async def readyz(self, _: Request) -> Response:
        """GET /readyz"""
        ready = self.residents.ready
        return _json({"ready": ready, "models": self.residents.states}, 200 if ready else 503)

    async def openapi(self, _: Request) -> Response:
        """GET /openapi.json"""
        return _json(document(self.settings))

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self.residents.load_all()
        yield


def full_decode_pixels(picture: Picture, photo: bool) -> int:
    """Pixels that are decoded at full size: none of a JPEG whose photo is not drawn on, it is decoded reduced."""
    reduced = picture.format in ("JPEG", "MPO") and not photo
    return 0 if reduced else picture.size_wh[0] * picture.size_wh[1]


def create_app(settings: Settings) -> Starlette:
    """The ASGI application. Models are loaded and checked when it starts; an error there ends the start."""
    image.trust_own_pixel_limit()
    service = Service(settings)
    routes = [
        Route("/", _page("index.html")),
        Route("/docs", _page("docs.html")),
        Route("/openapi.json", service.openapi),
        Route("/v1/segment", service.segment, methods=["POST"]),
        Route("/v1/models", service.models),
        Route("/v1/models/{name}", service.model),
        Route("/livez", service.livez),
        Route("/readyz", service.readyz),
        Mount("/static", StaticFiles(directory=WEB)),
    ]
    app = Starlette(
        routes=routes,
        lifespan=service.lifespan,
        exception_handlers={
            MaskeryError: problems.on_maskery_error,
            HTTPException: problems.on_http_exception,
            ClientDisconnect: problems.on_disconnect,
            Exception: problems.on_crash,
        },
    )
    # Around Starlette's own middleware, so that its answer to a crash carries these headers too.
    app.middleware_stack = RequestIds(SecurityHeaders(app.build_middleware_stack()))
    app.state.service = service
    return app


def _page(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def page(_: Request) -> Response:
        return FileResponse(WEB / name)

    return page


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
