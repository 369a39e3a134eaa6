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

from maskery.core.errors import MaskeryError
from maskery.core.picture import decode
from maskery.core.settings import Settings
from maskery.serving.http import problems
from maskery.serving.http.body_quota import BodyQuota
from maskery.serving.http.request_log import RequestIds
from maskery.serving.middleware.access import Access
from maskery.serving.middleware.security_headers import SecurityHeaders, cross_origin
from maskery.serving.openapi import document
from maskery.serving.protocols.native import routes as native
from maskery.serving.protocols.registry import WRITERS, chosen
from maskery.serving.runtime.overview import devices, overview
from maskery.serving.runtime.service import InferenceService
from maskery.serving.telemetry.observe import Observe, open_tracing
from maskery.serving.telemetry.status import Status

WEB = Path(__file__).parent / "web"


class Service:
    """What belongs to no protocol: health, documents, the life of the whole."""

    def __init__(self, service: InferenceService) -> None:
        self.service, self.settings, self.pool = service, service.settings, service.pool
        self.body_quota: BodyQuota | None = None
        self.tracing = open_tracing(self.settings.otel_endpoint)

    async def livez(self, _: Request) -> Response:
        """GET /livez"""
        return _json({"live": True})

    async def readyz(self, _: Request) -> Response:
        """GET /readyz"""
        ready = self.pool.ready
        state = {"ready": ready, "models": self.pool.states, "devices": devices(self.service)}
        return _json(state, 200 if ready else 503)

    async def status(self, _: Request) -> Response:
        """GET /v1/status"""
        return _json(self._now())

    async def metrics(self, request: Request) -> Response:
        """GET /metrics"""
        accept = request.headers.get("accept", "")
        body, content_type = await anyio.to_thread.run_sync(self.service.metrics.render, self._now(), accept)
        return Response(body, headers={"Content-Type": content_type})

    def _now(self) -> Status:
        return overview(self.service, self.body_quota.held if self.body_quota else 0)

    async def openapi(self, _: Request) -> Response:
        """GET /openapi.json"""
        extra = {path: item for api in chosen(self.settings) for path, item in api.paths(self.settings).items()}
        return _json(document(self.settings, extra))

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self.service.load_all()
        if self.service.budget and self.body_quota:
            self.body_quota.limit = self.service.budget.waiting
        tending = asyncio.ensure_future(self.pool.tend())
        yield
        tending.cancel()
        self.close()

    def close(self) -> None:
        """Let go of what outlives the requests."""
        self.service.close()
        if self.tracing:
            self.tracing.close()


def create_app(settings: Settings) -> Starlette:
    """The ASGI application. Models are loaded and checked when it starts; an error there ends the start."""
    decode.trust_own_pixel_limit()
    service = Service(InferenceService(settings, WRITERS))
    by_protocol: dict[str, Sequence[BaseRoute]] = {
        "native": native.routes(service.service),
        **{api.name: api.routes(service.service) for api in chosen(settings)},
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
    service.body_quota = BodyQuota(app.build_middleware_stack(), settings.max_waiting_bytes)
    inner = SecurityHeaders(cross_origin(Access(service.body_quota, settings), settings))
    app.middleware_stack = RequestIds(Observe(inner, service.service.metrics, _paths(by_protocol), service.tracing))
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
