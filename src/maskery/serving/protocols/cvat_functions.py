"""CVAT's serverless functions: models as detectors and interactors, called as CVAT calls nuclio. docs/protocols/cvat.md

The same below ``/cvat``, and at the paths of nuclio's dashboard, which CVAT asks by host and port alone.
"""

import json
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest, UnknownModel
from maskery.core.plan import Demand, RunOptions
from maskery.core.prompt import Prompt
from maskery.core.result.capabilities import HasCandidates, HasClassMap, HasInstances, expect
from maskery.encode.annotations.cvat_shapes import mask_shapes
from maskery.inference.prompts.prompt_input import prompt_of
from maskery.inference.tasks.registry import task_of
from maskery.serving.http.body import read_unpacked
from maskery.serving.http.json_body import from_base64, json_response, parsed
from maskery.serving.protocols.base import JSON, Operation, ParameterSpec, Protocol, get, json_answer
from maskery.serving.protocols.envelope import Failure
from maskery.serving.runtime.request import Outcome, SegmentRequest, Writer, writers_by_name
from maskery.serving.runtime.service import InferenceService

NAME = "cvat"
ROOT = "/cvat"
FUNCTIONS, INVOCATIONS = "/api/functions", "/api/function_invocations"
FUNCTION_HEADER = "x-nuclio-function-name"
INTERACTOR = "prompt"
HELD_BYTES = 8.0
"""A pixel, while a mask is written as text."""
HELP = "Click the object; further clicks correct the mask, negative ones say what is not of it."


class CvatCall(msgspec.Struct, frozen=True, kw_only=True):
    """What CVAT sends: a picture; to an interactor also what somebody has clicked.

    Attributes:
        image: The picture's file as base64.
        threshold: Objects below this score are left out.
        pos_points: [x, y] on the object.
        neg_points: [x, y] beside it.
        obj_bbox: Two corners of a box around it, or none.
    """

    image: str
    threshold: float | None = None
    pos_points: list[list[float]] | None = None
    neg_points: list[list[float]] | None = None
    obj_bbox: list[list[float]] | None = None


class CvatMask(msgspec.Struct, frozen=True):
    """An interactor's answer: a row of the picture each, 255 on the object and 0 beside it."""

    mask: list[list[int]]


class CvatDetection(msgspec.Struct, frozen=True, kw_only=True):
    """One shape of a detector's answer.

    Attributes:
        confidence: As text; null where the model has none.
        label: The class.
        points: Corners of the box, x and y in turn.
        mask: 0 and 1 row by row inside the box, then left, top, right, bottom, both inclusive.
        type: Always "mask".
    """

    confidence: str | None
    label: str
    points: list[float]
    mask: list[int]
    type: str = "mask"


class FunctionMeta(msgspec.Struct, frozen=True):
    """``annotations``: what CVAT reads of a function, all as text."""

    name: str
    namespace: str
    annotations: dict[str, str]


class FunctionSpec(msgspec.Struct, frozen=True):
    """In words."""

    description: str


class FunctionStatus(msgspec.Struct, frozen=True):
    """Always ready."""

    state: str = "ready"


class CvatFunction(msgspec.Struct, frozen=True):
    """A model, as nuclio describes a function."""

    metadata: FunctionMeta
    spec: FunctionSpec
    status: FunctionStatus = FunctionStatus()


class CvatError(msgspec.Struct, frozen=True):
    """What is wrong, and the cure."""

    error: str


@dataclass(frozen=True)
class _Call:
    """A request, understood."""

    picture: bytes
    threshold: float
    prompt: Prompt


def protocol(service: InferenceService) -> Protocol:
    """All paths, twice."""
    ends = CvatFunctions(service)
    operations = [
        _call_operation(ROOT, ends.interact, "Cut out what was clicked, by the model prompt."),
        _call_operation(ROOT + "/models/{model}", ends.call, "Call a model: a detector, or an interactor."),
        *(operation for prefix in (ROOT, "") for operation in _dashboard(prefix, ends)),
    ]
    return Protocol(
        name=NAME, tag=NAME, operations=tuple(operations), envelope=envelope, problem=CvatError, prefix=ROOT
    )


def envelope(failure: Failure) -> Response:
    """``{"error": text}``"""
    return json_response(CvatError(failure.text), failure.status, failure.headers)


class CvatFunctions:
    """What answers each path. A function's name is that of a model."""

    def __init__(self, service: InferenceService) -> None:
        self.service = service

    async def functions(self, _: Request) -> Response:
        """By name."""
        cards = [card for card in await self.service.cards() if _is_function(card)]
        return json_response({card.name: function_of(card) for card in cards})

    async def function(self, request: Request) -> Response:
        """One of them."""
        return json_response(function_of(await self.service.card(request.path_params["name"])))

    async def interact(self, request: Request) -> Response:
        return await self._invoke(request, INTERACTOR)

    async def call(self, request: Request) -> Response:
        return await self._invoke(request, request.path_params["model"])

    async def invoke(self, request: Request) -> Response:
        """The function is named by a header, as nuclio's dashboard has it."""
        name = request.headers.get(FUNCTION_HEADER)
        if not name:
            raise UnknownModel(f"The header {FUNCTION_HEADER} is missing.", f"Functions are listed at {FUNCTIONS}.")
        return await self._invoke(request, name)

    async def _invoke(self, request: Request, name: str) -> Response:
        card = await self.service.card(name)
        if not _is_function(card):
            raise BadRequest(f"{card.name} is {task_of(card).noun}: it has no masks.", "Call another model.")
        body = await read_unpacked(request, self.service.settings)
        call = await anyio.to_thread.run_sync(_read, body, self.service.settings.max_bytes)
        prompted = task_of(card).prompted
        if prompted and call.prompt.empty:
            raise BadRequest("Nothing was clicked.", "Send pos_points or obj_bbox.")
        asked = SegmentRequest(
            source=call.picture,
            answer=MASK.with_options(None) if prompted else DETECTIONS.with_options(call.threshold),
            model=name,
            run_options=RunOptions(prompt=call.prompt) if prompted else RunOptions(),
            demand=Demand(held=HELD_BYTES),
            format="mask",
        )
        return Response(await self.service.segment(asked, request), media_type=JSON)


def _is_function(card: ModelCard) -> bool:
    return task_of(card).gives(HasClassMap) or task_of(card).gives(HasInstances)


def _read(body: bytes, max_bytes: int) -> _Call:
    """Raises ``BadRequest``, ``TooLarge``."""
    call = parsed(body, CvatCall, "a call of CVAT")
    positive, negative = call.pos_points or [], call.neg_points or []
    box = [value for corner in call.obj_bbox or [] for value in corner]
    labels = [True] * len(positive) + [False] * len(negative)
    prompt = prompt_of([*positive, *negative], labels, box or None)
    return _Call(from_base64(call.image, max_bytes), call.threshold or 0.0, prompt)


def write_mask(outcome: Outcome, _: None) -> bytes:
    """JSON of ``CvatMask``; numbers have equal width, so that a row is one copy."""
    result = expect(outcome.result, HasCandidates)
    width, height = result.meta.frame.size_wh
    row = np.frombuffer(b"  0," * width, np.uint8).reshape(width, 4)
    text = np.broadcast_to(row, (height, width, 4)).copy()
    if best := result.best:
        (left, top), (w, h) = best.left_top, best.size_wh
        text[top : top + h, left : left + w, :3][best.decoded()] = np.frombuffer(b"255", np.uint8)
    rows = text.reshape(height, -1)[:, :-1]
    return b'{"mask":[[' + b"],[".join(line.tobytes() for line in rows) + b"]]}"


def write_detections(outcome: Outcome, threshold: float) -> bytes:
    """JSON, a list of ``CvatDetection``."""
    labels = outcome.result.meta.labels
    found = []
    for shape, mask in mask_shapes(outcome.result, threshold):
        box = [int(value) for value in shape.points[-4:]]
        found.append(
            CvatDetection(
                confidence=None if shape.score is None else f"{shape.score:.4f}",
                label=labels[shape.class_id],
                points=[float(value) for value in box],
                mask=[*mask.decoded().view(np.uint8).reshape(-1).tolist(), *box],
            )
        )
    return msgspec.json.encode(found)


MASK, DETECTIONS = Writer(f"{NAME}:mask", write_mask), Writer(f"{NAME}:detections", write_detections)
WRITERS = writers_by_name(MASK, DETECTIONS)


def function_of(card: ModelCard) -> CvatFunction:
    """A model as CVAT lists functions. Raises ``BadRequest`` for one without masks."""
    if not _is_function(card):
        raise BadRequest(f"{card.name} is {task_of(card).noun}: it has no masks.", "See the list of functions.")
    about: dict[str, Any] = {"name": card.name, "version": "1", "framework": "maskery"}
    if task_of(card).prompted:
        about |= {
            "type": "interactor",
            "spec": "",
            "min_pos_points": "0",
            "min_neg_points": "0",
            "startswith_box_optional": "true",
            "help_message": HELP,
        }
    else:
        labels = [label for number, label in enumerate(card.labels) if number != card.background]
        spec = [{"id": number, "name": label, "type": "mask"} for number, label in enumerate(labels, 1)]
        about |= {"type": "detector", "spec": json.dumps(spec)}
    return CvatFunction(FunctionMeta(card.name, "nuclio", about), FunctionSpec(card.description))


PROBLEMS = (400, 404, 408, 409, 413, 415, 503)


def _call_operation(path: str, handler: Any, summary: str, parameters: tuple[ParameterSpec, ...] = ()) -> Operation:
    return Operation(
        verb="POST",
        path=path,
        handler=handler,
        summary=summary,
        answers=json_answer((CvatMask, list[CvatDetection]), "An interactor's mask, or a detector's shapes."),
        problems=PROBLEMS,
        body={JSON: CvatCall},
        parameters=parameters,
    )


def _dashboard(prefix: str, ends: CvatFunctions) -> tuple[Operation, ...]:
    named = ParameterSpec(name=FUNCTION_HEADER, text="Name of a model.", required=True, place="header")
    return (
        get(prefix + FUNCTIONS, ends.functions, "The models as functions.", json_answer(dict[str, CvatFunction])),
        get(
            prefix + FUNCTIONS + "/{name}",
            ends.function,
            "A model as a function.",
            json_answer(CvatFunction),
            (),
            (400, 404, 409),
        ),
        _call_operation(prefix + INVOCATIONS, ends.invoke, "Call the model that a header names.", (named,)),
    )
