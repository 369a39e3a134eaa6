"""The endpoints, their paths and what the OpenAPI document says of them."""

import logging
from dataclasses import replace
from typing import Annotated

import anyio.to_thread
import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from maskery.core.card import ModelCard
from maskery.core.errors import InputError, NotPulled, UnknownModel
from maskery.inference.tasks.registry import task_of
from maskery.serving.http.body import read_unpacked
from maskery.serving.http.body_quota import apart
from maskery.serving.http.json_body import json_response, parsed
from maskery.serving.protocols.base import JSON, Operation, Protocol, get, json_answer
from maskery.serving.protocols.envelope import Failure
from maskery.serving.protocols.label_studio.config import plan_of, read_config
from maskery.serving.protocols.label_studio.predict import (
    IGNORED,
    PROTOCOL,
    REGIONS,
    LabelStudioTask,
    PredictBody,
    Prediction,
    Predictions,
    failed,
    of_page,
    parse_request,
    prediction,
    request_of,
    values_of,
    version_of,
)
from maskery.serving.protocols.label_studio.regions import DrawnRegions
from maskery.serving.protocols.label_studio.smart_tools import SMART, SmartRequest, smart_gaps, smart_segment_request
from maskery.serving.protocols.label_studio.task_pictures import TaskPictures
from maskery.serving.runtime.request import writers_by_name
from maskery.serving.runtime.service import InferenceService

WRITERS = writers_by_name(REGIONS, SMART)
log = logging.getLogger("maskery")

PROMPT = "prompt"
"""The model that answers smart tools where the one that is asked does not."""
ROOT = "/label-studio"
OF_MODEL = ROOT + "/models/{model}"
EVENTS = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATION_DELETED", "START_TRAINING")
NO_TRAINING = (
    "Nothing was started: this server does not train. Export the annotations and run 'maskery train', then serve the "
    "model that it publishes."
)


class SetupBody(msgspec.Struct, frozen=True):
    """What is read of a setup request; its token is not kept."""

    schema: Annotated[str | None, Meta(description="The labelling configuration, XML.")] = None


class SetupAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which model it is."""

    model_version: str
    ignored: Annotated[tuple[str, ...], Meta(description=IGNORED)] | UnsetType = UNSET
    smart_tools: Annotated[tuple[str, ...], Meta(description="Why smart tools will not work.")] | UnsetType = UNSET


class EventBody(msgspec.Struct, frozen=True):
    """What is read of a webhook."""

    action: str


class EventAnswer(msgspec.Struct, frozen=True):
    """A known event; nothing is done."""

    result: str | None
    status: str


class UnknownEvent(msgspec.Struct, frozen=True):
    """An event that is not known."""

    status: str


class BackendHealth(msgspec.Struct, frozen=True):
    """The backend answers."""

    status: str
    model_class: str


class LabelStudioError(msgspec.Struct, frozen=True):
    """As the original, but without its traceback."""

    status: int
    detail: str


def protocol(service: InferenceService) -> Protocol:
    """All paths, for the default model and for each by name."""
    ends = LabelStudioEndpoints(service)
    operations = [operation for prefix in (ROOT, OF_MODEL) for operation in _below(prefix, ends)]
    with_slash = get(ROOT + "/", ends.health, "The backend answers.", json_answer(BackendHealth))
    return Protocol(
        name=PROTOCOL,
        tag=PROTOCOL,
        operations=(*operations, replace(with_slash, hidden=True)),
        envelope=envelope,
        problem=LabelStudioError,
        prefix=ROOT,
    )


def envelope(failure: Failure) -> Response:
    """``{"status": number, "detail": text}``"""
    return json_response(LabelStudioError(failure.status, failure.text), failure.status, failure.headers)


class LabelStudioEndpoints:
    """What answers each path. Nothing of a project is kept: each request has all that it needs."""

    def __init__(self, service: InferenceService) -> None:
        self.service, self.pictures = service, TaskPictures(service.settings, service.fetch)

    async def health(self, request: Request) -> Response:
        return json_response(BackendHealth("UP", (await self._card(request)).name))

    async def setup(self, request: Request) -> Response:
        """Checks the labelling configuration, so that a project learns at once what does not fit."""
        card = await self._card(request)
        ask = parsed(await read_unpacked(request, self.service.settings), SetupBody, "a setup request of Label Studio")
        config = read_config(ask.schema) if ask.schema else None
        ignored = plan_of(config, card).ignored if config else ()
        gaps = smart_gaps(config) if config and await self._clicker(request) else ()
        if gaps:
            log.info("Label Studio: smart tools will not work: %.300s", "; ".join(gaps))
        if ignored:
            log.info(
                "Label Studio: %d things of a configuration are not used: %.300s", len(ignored), "; ".join(ignored)
            )
        return json_response(SetupAnswer(version_of(card), ignored or UNSET, gaps or UNSET))

    async def predict(self, request: Request) -> Response:
        """A prediction for every task, in order; a task whose picture fails, fails alone."""
        card, clicker, service = await self._card(request), await self._clicker(request), self.service
        body = await read_unpacked(request, service.settings)
        work = await anyio.to_thread.run_sync(parse_request, body, card, clicker is not None)

        async def one(task: LabelStudioTask) -> Prediction:
            with apart():
                try:
                    if work.smart and clicker:
                        return prediction([await pointed(work.smart, clicker, task)], clicker)
                    return prediction([one for key in work.by_key for one in await drawn(key, task)], card)
                except InputError as error:
                    return failed(str(error), card)

        async def drawn(key: str, task: LabelStudioTask) -> list[DrawnRegions]:
            found, values = list[DrawnRegions](), values_of(task, key)
            for value in values:
                picture = await self.pictures.read(value)
                found.append(await service.segment(request_of(picture, work.by_key[key], card), request))
            return found if len(found) < 2 else [of_page(one, index) for index, one in enumerate(found)]

        async def pointed(asked: SmartRequest, clicker: ModelCard, task: LabelStudioTask) -> DrawnRegions:
            values = values_of(task, asked.part.control.key)
            page = min(asked.page, len(values) - 1)
            picture = await self.pictures.read_again(values[page])
            found = await service.segment(smart_segment_request(picture, asked, clicker.name), request)
            return found if len(values) < 2 else of_page(found, page)

        results = await service.each(one, work.tasks)
        return json_response(Predictions(results, version_of(card), work.ignored or UNSET))

    async def webhook(self, request: Request) -> Response:
        ask = parsed(await read_unpacked(request, self.service.settings), EventBody, "a webhook of Label Studio")
        if ask.action not in EVENTS:
            return json_response(UnknownEvent("Unknown event"))
        return json_response(EventAnswer(NO_TRAINING if ask.action == "START_TRAINING" else None, "ok"), 201)

    async def metrics(self, _: Request) -> Response:
        return json_response({})

    async def _card(self, request: Request) -> ModelCard:
        return await self.service.card(request.path_params.get("model"))

    async def _clicker(self, request: Request) -> ModelCard | None:
        """The model that answers smart tools: the one that is asked, or ``prompt``; None where there is none."""
        card = await self._card(request)
        if task_of(card).prompted:
            return card
        try:
            clicker = await self.service.card(PROMPT)
        except (UnknownModel, NotPulled):
            return None
        return clicker if task_of(clicker).prompted else None


def _below(prefix: str, ends: LabelStudioEndpoints) -> tuple[Operation, ...]:
    unknown = () if prefix == ROOT else (404, 409)
    setup = Operation(
        verb="POST",
        path=prefix + "/setup",
        handler=ends.setup,
        summary="Check a project's labelling configuration.",
        answers=json_answer(SetupAnswer),
        problems=(400, 408, 413, 503, *unknown),
        body={JSON: SetupBody},
    )
    predict = Operation(
        verb="POST",
        path=prefix + "/predict",
        handler=ends.predict,
        summary="Regions for the pictures of tasks.",
        answers=json_answer(Predictions),
        problems=(400, 404, 408, 409, 413, 503),
        body={JSON: PredictBody},
    )
    known = json_answer(EventAnswer, f"Heard: {', '.join(EVENTS)}. Nothing is done.", 201)
    webhook = Operation(
        verb="POST",
        path=prefix + "/webhook",
        handler=ends.webhook,
        summary="Events of a project.",
        answers=json_answer(UnknownEvent, "An event that is not known.") | known,
        problems=(400, 408, 413, 503),
        body={JSON: EventBody},
    )
    health = json_answer(BackendHealth)
    return (
        get(prefix, ends.health, "The backend answers.", health, (), unknown),
        get(prefix + "/health", ends.health, "The backend answers.", health, (), unknown),
        setup,
        predict,
        webhook,
        get(prefix + "/metrics", ends.metrics, "Nothing; metrics are at /metrics.", json_answer(dict[str, str])),
    )
