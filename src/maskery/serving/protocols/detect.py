"""The low-memory instance web app's API (docs/protocols/detect.md): a picture in, the same with its objects drawn."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest, nearest
from maskery.core.plan import RunOptions
from maskery.core.result.capabilities import HasInstances
from maskery.encode.registry import ENCODERS, encode, find
from maskery.inference.tasks.registry import task_of
from maskery.serving.http.body import read_form
from maskery.serving.http.json_body import json_response
from maskery.serving.protocols.base import FormSpec, Operation, ParameterSpec, Protocol, ResponseSpec, binary, get
from maskery.serving.protocols.envelope import Failure
from maskery.serving.runtime.request import Outcome, SegmentRequest, Writer, writers_by_name
from maskery.serving.runtime.service import InferenceService

NAME = "detect"
FILE, URL = "file", "url"
PATH = "/detect"
PROBLEMS = (400, 404, 408, 409, 413, 415, 503)
ANSWERED_BY = "X-Maskery-Model"


class DetectError(msgspec.Struct, frozen=True):
    """What is wrong, and the cure."""

    error: str


def write_png(outcome: Outcome, _: None = None) -> tuple[bytes, str]:
    """The PNG, and the name of the model that made it."""
    return encode(outcome.drawn, "overlay", outcome.shown), outcome.card.name


PNG = Writer(f"{NAME}:png", write_png)
WRITERS = writers_by_name(PNG)


def protocol(service: InferenceService) -> Protocol:
    """One path; a POST with the picture, a GET with its address."""
    api = Detect(service)
    answer = {200: ResponseSpec("The picture, in its own size, objects drawn.", {"image/png": binary("image/png")})}
    url = ParameterSpec(name=URL, text="Address of the picture, http or https; docs/security.md.", required=True)
    by_file = Operation(
        verb="POST",
        path=PATH,
        handler=api.by_file,
        summary="The picture with its objects drawn.",
        answers=answer,
        problems=PROBLEMS,
        body={"multipart/form-data": FormSpec(FILE)},
    )
    by_url = get(
        PATH, api.by_url, "The picture at an address with its objects drawn.", answer, (url,), (*PROBLEMS, 424)
    )
    return Protocol(name=NAME, tag=NAME, operations=(by_url, by_file), envelope=envelope, problem=DetectError)


class Detect:
    def __init__(self, service: InferenceService) -> None:
        self.service, self.settings = service, service.settings

    async def by_url(self, request: Request) -> Response:
        """GET /detect?url="""
        _expect_only(request, (URL,))
        url = request.query_params.get(URL)
        if not url:
            raise BadRequest("The address of a picture is missing.", f"Ask {PATH}?url=https://..., or POST a {FILE!r}.")
        return await self._answer(await self.service.fetch(url), request)

    async def by_file(self, request: Request) -> Response:
        """POST /detect"""
        _expect_only(request, ())
        form = await read_form(request, self.settings.max_bytes, self.settings.timeout)
        return await self._answer(form.file(FILE), request)

    async def _answer(self, data: bytes, request: Request) -> Response:
        card = await self._card()
        asked = SegmentRequest(
            source=data,
            answer=PNG.with_options(None),
            model=f"{card.name}@{card.version}",
            run_options=RunOptions(max_side=working_side(card, self.settings.detect_side)),
            demand=ENCODERS["overlay"].demand,
            format="overlay",
        )
        body, model = await self.service.segment(asked, request)
        return Response(body, media_type="image/png", headers={ANSWERED_BY: model})

    async def _card(self) -> ModelCard:
        """The default model where it finds objects, else the first that does; where none does, the default model.

        Raises ``BadRequest`` where that one has nothing to draw.
        """
        cards = await self.service.cards()
        chosen = next((card for card in cards if _finds_objects(card)), cards[0])
        find("overlay", task_of(chosen))
        return chosen


def _finds_objects(card: ModelCard) -> bool:
    task = task_of(card)
    return task.gives(HasInstances) and not task.prompted


def working_side(card: ModelCard, side: int) -> int | None:
    """The longest side of what the model sees, ``side`` within its bounds; None = its own, for 0 and a fixed size."""
    spec = card.input
    if not side or spec.fixed:
        return None
    return min(max(side, spec.min_side), spec.max_side)


def _expect_only(request: Request, known: tuple[str, ...]) -> None:
    for name in request.query_params:
        if name not in known:
            raise BadRequest(f"Unknown parameter {name!r}.", nearest(name, known) if known else "Leave it out.")


def envelope(failure: Failure) -> Response:
    """``{"error": text}``, in the place of the original's page of failure."""
    return json_response(DetectError(failure.text), failure.status, failure.headers)
