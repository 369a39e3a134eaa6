"""Routes and what ties them together. The work is in ``pipeline``; this file only translates."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio.to_thread
import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from maskery import image
from maskery.errors import MaskeryError
from maskery.serving import problems
from maskery.serving.access import Access
from maskery.serving.apis.table import chosen
from maskery.serving.cors import cross_origin
from maskery.serving.desk import Desk
from maskery.serving.headers import SecurityHeaders
from maskery.serving.intake import Intake
from maskery.serving.native import routes as native
from maskery.serving.observe import Observe, open_tracing
from maskery.serving.openapi import document
from maskery.serving.overview import devices, overview
from maskery.serving.request_id import RequestIds
from maskery.serving.status import Status
from maskery.settings import Settings

WEB = Path(__file__).parent / "web"


class Service:
    """What belongs to no protocol: health, documents, the life of the whole."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.settings, self.residents = desk, desk.settings, desk.residents
        self.intake: Intake | None = None
        self.tracing = open_tracing(self.settings.otel_endpoint)

    async def livez(self, _: Request) -> Response:
        """GET /livez"""
        return _json({"live": True})

    async def readyz(self, _: Request) -> Response:
        """GET /readyz"""
        ready = self.residents.ready
        state = {"ready": ready, "models": self.residents.states, "devices": devices(self.desk)}
        return _json(state, 200 if ready else 503)

    async def status(self, _: Request) -> Response:
        """GET /v1/status"""
        return _json(self._now())

    async def metrics(self, request: Request) -> Response:
        """GET /metrics"""
        accept = request.headers.get("accept", "")
        body, content_type = await anyio.to_thread.run_sync(self.desk.metrics.render, self._now(), accept)
        return Response(body, headers={"Content-Type": content_type})

    def _now(self) -> Status:
        return overview(self.desk, self.intake.held if self.intake else 0)

    async def openapi(self, _: Request) -> Response:
        """GET /openapi.json"""
        extra = {path: item for api in chosen(self.settings) for path, item in api.paths(self.settings).items()}
        return _json(document(self.settings, extra))

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self.desk.load_all()
        if self.desk.budget and self.intake:
            self.intake.limit = self.desk.budget.waiting
        tending = asyncio.ensure_future(self.residents.tend())
        yield
        tending.cancel()
        self.close()

    def close(self) -> None:
        """Let go of what outlives the requests."""
        self.desk.scheduler.close()
        if self.tracing:
            self.tracing.close()


def create_app(settings: Settings) -> Starlette:
    """The ASGI application. Models are loaded and checked when it starts; an error there ends the start."""
    image.trust_own_pixel_limit()
    service = Service(Desk(settings))
    by_protocol: dict[str, Sequence[BaseRoute]] = {
        "native": native.routes(service.desk),
        **{api.name: api.routes(service.desk) for api in chosen(settings)},
    }
    routes = [
        Route("/", _page("index.html")),
        Route("/docs", _page("docs.html")),
        Route("/status", _page("status.html")),
        Route("/openapi.json", service.openapi),
        Route("/livez", service.livez),
        Route("/readyz", service.readyz),
        Route("/metrics", service.metrics),
        Route("/v1/status", service.status),
        *(route for routes in by_protocol.values() for route in routes),
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
    # Around Starlette's own middleware, so that its answer to a crash carries these headers too. CORS is outside of
    # access: a browser asks without a key first, and a page must be able to read a 401.
    service.intake = Intake(app.build_middleware_stack(), settings.max_waiting_bytes)
    inner = SecurityHeaders(cross_origin(Access(service.intake, settings), settings))
    app.middleware_stack = RequestIds(Observe(inner, service.desk.metrics, _paths(by_protocol), service.tracing))
    app.state.service = service
    return app


def _paths(by_protocol: Mapping[str, Sequence[BaseRoute]]) -> dict[str, str]:
    """Route path -> protocol."""
    return {
        route.path: name for name, routes in by_protocol.items() for route in routes if isinstance(route, Route | Mount)
    }


def _page(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def page(_: Request) -> Response:
        return FileResponse(WEB / name)

    return page


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
