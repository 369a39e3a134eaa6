"""The endpoints and their paths."""

import logging

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from maskery.core.card import ModelCard
from maskery.serving.http.body import read_unpacked
from maskery.serving.http.json_body import parsed
from maskery.serving.protocols.envelope import Failure, elsewhere, route, with_errors
from maskery.serving.protocols.label_studio.config import read_config
from maskery.serving.protocols.label_studio.match import plan_of
from maskery.serving.protocols.label_studio.predict import predict, version_of
from maskery.serving.protocols.label_studio.task_pictures import TaskPictures
from maskery.serving.runtime.service import InferenceService

log = logging.getLogger("maskery")

ROOT = "/label-studio"
OF_MODEL = ROOT + "/models/{model}"
EVENTS = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATION_DELETED", "START_TRAINING")
NO_TRAINING = (
    "Nothing was started: this server does not train. Export the annotations and run 'maskery train', then serve the "
    "model that it publishes."
)


class SetupAsk(msgspec.Struct, frozen=True):
    """What is read of a setup request; its token is not kept."""

    schema: str | None = None


class EventAsk(msgspec.Struct, frozen=True):
    """What is read of a webhook."""

    action: str


def routes(service: InferenceService) -> list[Route]:
    """All paths of the protocol, for the default model and for each by name."""
    ends = LabelStudioEndpoints(service)
    found = []
    for prefix in (ROOT, OF_MODEL):
        found += [
            route(prefix, {"GET": ends.health}, envelope),
            route(prefix + "/health", {"GET": ends.health}, envelope),
            route(prefix + "/setup", {"POST": ends.setup}, envelope),
            route(prefix + "/predict", {"POST": ends.predict}, envelope),
            route(prefix + "/webhook", {"POST": ends.webhook}, envelope),
            route(prefix + "/metrics", {"GET": ends.metrics}, envelope),
        ]
    with_slash = Route(ROOT + "/", with_errors(ends.health, envelope), include_in_schema=False)
    return [*found, with_slash, elsewhere(ROOT, envelope)]


def envelope(failure: Failure) -> Response:
    """{"status": number, "detail": text}, as the original but without its traceback."""
    return _json({"status": failure.status, "detail": failure.text}, failure.status, failure.headers)


class LabelStudioEndpoints:
    """What answers each path. Nothing of a project is kept: each request has all that it needs."""

    def __init__(self, service: InferenceService) -> None:
        self.service, self.pictures = service, TaskPictures(service)

    async def health(self, request: Request) -> Response:
        return _json({"status": "UP", "model_class": (await self._card(request)).name})

    async def setup(self, request: Request) -> Response:
        """Checks the labelling configuration, so that a project learns at once what does not fit."""
        card = await self._card(request)
        ask = parsed(await read_unpacked(request, self.service.settings), SetupAsk, "a setup request of Label Studio")
        ignored = plan_of(read_config(ask.schema), card).ignored if ask.schema else ()
        if ignored:
            log.info(
                "Label Studio: %d things of a configuration are not used: %.300s", len(ignored), "; ".join(ignored)
            )
        return _json({"model_version": version_of(card)} | ({"ignored": ignored} if ignored else {}))

    async def predict(self, request: Request) -> Response:
        card = await self._card(request)
        return Response(await predict(self.service, self.pictures, card, request), media_type="application/json")

    async def webhook(self, request: Request) -> Response:
        ask = parsed(await read_unpacked(request, self.service.settings), EventAsk, "a webhook of Label Studio")
        if ask.action not in EVENTS:
            return _json({"status": "Unknown event"})
        return _json({"result": NO_TRAINING if ask.action == "START_TRAINING" else None, "status": "ok"}, 201)

    async def metrics(self, _: Request) -> Response:
        return _json({})

    async def _card(self, request: Request) -> ModelCard:
        return await self.service.card(request.path_params.get("model"))


def _json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json")
