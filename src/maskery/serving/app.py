"""The application: protocols, pages, health and the middleware around them. The work is in ``InferenceService``."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio.to_thread
import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Match, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from maskery.core.picture import decode
from maskery.core.settings import Settings
from maskery.models.loading import ModelLoader
from maskery.serving.http.body_quota import BodyQuota
from maskery.serving.http.json_body import json_response
from maskery.serving.http.problems import MEDIA_TYPE, Problem
from maskery.serving.http.request_log import RequestIds, own_path
from maskery.serving.middleware.access import Access
from maskery.serving.middleware.security_headers import SecurityHeaders, cross_origin
from maskery.serving.openapi import document
from maskery.serving.protocols.base import Protocol, ResponseSpec, get, json_answer, routes_of
from maskery.serving.protocols.envelope import problem_envelope, refuse
from maskery.serving.protocols.registry import WRITERS, factories
from maskery.serving.runtime.overview import devices, overview
from maskery.serving.runtime.service import InferenceService
from maskery.serving.telemetry.observe import OTHER, Observe, open_tracing
from maskery.serving.telemetry.status import Device, Status

WEB = Path(__file__).parent / "web"


class Liveness(msgspec.Struct, frozen=True):
    """The process answers."""

    live: bool


class Readiness(msgspec.Struct, frozen=True):
    """``models``: name -> "ok", or what is wrong, of the models that are loaded or could not be."""

    ready: bool
    models: dict[str, str]
    devices: dict[str, Device]


class SystemEndpoints:
    """Health, state and metrics, which belong to no protocol that segments."""

    def __init__(self, service: InferenceService) -> None:
        self.service, self.pool = service, service.pool

    def protocol(self) -> Protocol:
        """Described and guarded as the others are."""
        state = json_answer(Readiness) | json_answer(Readiness, "Some model did not.", 503)
        text = {"text/plain": str, "application/openmetrics-text": str}
        metrics = {200: ResponseSpec("Prometheus' text format, or OpenMetrics where Accept names it.", text)}
        asked = "Every loaded model gave its stored answer to the stored picture."
        now = "Models, devices, queues, memory and limits now."
        operations = (
            get("/livez", self.livez, "The process answers.", json_answer(Liveness)),
            get("/readyz", self.readyz, asked, state),
            get("/metrics", self.metrics, "Metrics for Prometheus.", metrics),
            replace(get("/v1/status", self.status, now, json_answer(Status)), tag="models"),
        )
        return Protocol(
            name=OTHER,
            tag="health",
            operations=operations,
            envelope=problem_envelope,
            problem=Problem,
            problem_type=MEDIA_TYPE,
            answers_options=False,
        )

    async def livez(self, _: Request) -> Response:
        """GET /livez"""
        return json_response(Liveness(True))

    async def readyz(self, _: Request) -> Response:
        """GET /readyz"""
        ready = self.pool.ready
        return json_response(Readiness(ready, self.pool.states, devices(self.service)), 200 if ready else 503)

    async def status(self, request: Request) -> Response:
        """GET /v1/status"""
        return json_response(self._now(request))

    async def metrics(self, request: Request) -> Response:
        """GET /metrics"""
        accept = request.headers.get("accept", "")
        body, content_type = await anyio.to_thread.run_sync(self.service.metrics.render, self._now(request), accept)
        return Response(body, headers={"Content-Type": content_type})

    def _now(self, request: Request) -> Status:
        return overview(self.service, request.app.state.body_quota.held)


class Application(Starlette):
    """Starlette inside Maskery's own middleware, which so covers even its answer to a crash.

    ``add_middleware`` adds inside of that: after the key was checked and the request counted. Mounted in another
    application, whose lifespan then has to run this one's (docs/http-api.md), it takes its prefix from ``root_path``.
    ``state.service`` is the ``InferenceService``, ``state.body_quota`` what the callers' bodies may take together.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises ``ConfigError`` for settings that contradict each other, ``MissingExtra`` without OpenTelemetry."""
        service = InferenceService(settings, WRITERS, ModelLoader(settings))
        self._settings, self._tracing = settings, open_tracing(settings.otel_endpoint)
        self._protocols = [make(service) for make in factories(settings)] + [SystemEndpoints(service).protocol()]
        super().__init__(
            routes=[
                Route("/", _page("index.html")),
                Route("/docs", _page("docs.html")),
                Route("/status", _page("status.html")),
                Route("/openapi.json", self._openapi),
                *(route for protocol in self._protocols for route in routes_of(protocol)),
                Mount("/static", StaticFiles(directory=WEB)),
            ],
            lifespan=self._serving,
            exception_handlers={HTTPException: _on_error, Exception: _on_error},
        )
        self.router.redirect_slashes = False
        self.router.default = self._other_slash
        self.state.service = service
        self.state.body_quota = BodyQuota(super().__call__, settings.max_waiting_bytes)
        # CORS is outside of access: a browser asks without a key first, and a page must be able to read a 401.
        guarded = cross_origin(Access(self.state.body_quota, settings), settings)
        self._around = RequestIds(Observe(SecurityHeaders(guarded), service.metrics, self._tracing))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._around(scope, receive, send)

    async def _openapi(self, request: Request) -> Response:
        return json_response(document(self._protocols, self._settings, request.scope.get("root_path", "")))

    @asynccontextmanager
    async def _serving(self, _: Starlette) -> AsyncIterator[None]:
        """Models are loaded and checked before the first request; an error there ends the start."""
        service: InferenceService = self.state.service
        service.load_all()
        if service.budget:
            self.state.body_quota.limit = service.budget.waiting
        pool = service.pool
        tending = [asyncio.ensure_future(task) for task in (pool.unload_idle(), pool.measure_batches())]
        if service.jobs:
            tending.append(asyncio.ensure_future(service.jobs.run()))
        yield
        for task in tending:
            task.cancel()
        await asyncio.gather(*tending, return_exceptions=True)
        service.close()
        if self._tracing:
            self._tracing.close()

    async def _other_slash(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Where a path is served with a slash at its end, or without, lead there; 404 otherwise.

        By an address relative to the one that was asked for, because a proxy may have cut off a part of it.
        """
        path: str = scope["path"]
        if scope["type"] == "http" and own_path(scope).strip("/"):
            slash = path.endswith("/")
            other = dict(scope) | {"path": path.rstrip("/") if slash else path + "/"}
            if any(route.matches(other)[0] is not Match.NONE for route in self.routes):
                last = path.rstrip("/").rpartition("/")[2]
                query = scope.get("query_string", b"").decode("latin-1")
                target = f"../{last}" if slash else f"{last}/"
                await RedirectResponse(target + (f"?{query}" if query else ""))(scope, receive, send)
                return
        await self.router.not_found(scope, receive, send)


def create_app(settings: Settings) -> Application:
    """The ASGI application. Models are loaded and checked when it starts; an error there ends the start."""
    decode.trust_own_pixel_limit()
    return Application(settings)


async def _on_error(request: Request, error: Exception) -> Response:
    """Errors outside of the protocols: no such path, a fault in a page."""
    return refuse(error, request, problem_envelope)


def _page(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def page(_: Request) -> Response:
        return FileResponse(WEB / name)

    return page
