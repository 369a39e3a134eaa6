"""POST .../predict: a prediction for every task, in order; a task whose picture fails, fails alone."""

from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import msgspec
from starlette.requests import Request

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest, InputError
from maskery.inference.planning.memory_plan import Demand
from maskery.serving.http.body import read_unpacked
from maskery.serving.http.body_quota import apart
from maskery.serving.http.json_body import parsed
from maskery.serving.protocols.label_studio.config import read_config
from maskery.serving.protocols.label_studio.match import DrawingPlan, Part, plan_of
from maskery.serving.protocols.label_studio.regions import Drawn, draw, wish_of
from maskery.serving.protocols.label_studio.task_pictures import TaskPictures
from maskery.serving.runtime.request import Outcome, SegmentRequest, Writer
from maskery.serving.runtime.service import InferenceService

TASKS_AT_MOST = 1000
HELD_BYTES = 6.0
"""A pixel, while brush strokes and outlines are written."""


class Task(msgspec.Struct, frozen=True):
    """What is read of a task; ``data``: JSON by name."""

    data: dict[str, msgspec.Raw] = {}


class PredictBody(msgspec.Struct, frozen=True):
    """What is read of a request."""

    tasks: list[Task]
    label_config: str


@dataclass(frozen=True)
class PredictRequest:
    """A request, understood. ``by_key``: what is drawn on the picture that a task's data has under that name."""

    tasks: list[Task]
    by_key: dict[str, list[Part]]
    ignored: tuple[str, ...]


def version_of(card: ModelCard) -> str:
    """How a model is called towards Label Studio."""
    return f"{card.name}:{card.version}"


def write_regions(outcome: Outcome, parts: tuple[Part, ...]) -> Drawn:
    """The regions of all parts."""
    return draw(outcome.result, parts)


REGIONS = Writer("label-studio:regions", write_regions)


async def predict(service: InferenceService, pictures: TaskPictures, card: ModelCard, request: Request) -> bytes:
    """The answer's JSON. Raises ``BadRequest`` where no task could be answered, ``Busy``."""
    body = await read_unpacked(request, service.settings)
    work = await anyio.to_thread.run_sync(understand, body, card)

    async def one(task: Task) -> msgspec.Raw:
        with apart():
            try:
                return _prediction([await drawn(key, task) for key in work.by_key], card)
            except InputError as error:
                return _failed(str(error), card)

    async def drawn(key: str, task: Task) -> Drawn:
        picture = await pictures.read(_value(task, key))
        segment_request = SegmentRequest(
            source=picture,
            answer=REGIONS.with_options(tuple(work.by_key[key])),
            model=f"{card.name}@{card.version}",
            run_options=wish_of(card),
            demand=Demand(held=HELD_BYTES),
            format="regions",
        )
        return await service.segment(segment_request, request)

    answer: dict[str, Any] = {"results": await service.each(one, work.tasks), "model_version": version_of(card)}
    return msgspec.json.encode(answer | ({"ignored": work.ignored} if work.ignored else {}))


def understand(body: bytes, card: ModelCard) -> PredictRequest:
    """Raises ``BadRequest``."""
    ask = parsed(body, PredictBody, "a prediction request of Label Studio")
    if len(ask.tasks) > TASKS_AT_MOST:
        raise BadRequest(f"{len(ask.tasks):,} tasks in one request.", f"Send at most {TASKS_AT_MOST:,}.")
    plan: DrawingPlan = plan_of(read_config(ask.label_config), card)
    by_key: dict[str, list[Part]] = {}
    for part in plan.parts:
        by_key.setdefault(part.control.key, []).append(part)
    return PredictRequest(ask.tasks, by_key, plan.ignored)


def _value(task: Task, key: str) -> str:
    if key not in task.data:
        raise BadRequest(f"The task's data has no {key!r}.", "The Image tag's value names the column of the pictures.")
    try:
        return msgspec.json.decode(task.data[key], type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRequest(f"The task's {key!r} is no text: {error}.", "Give an address or a data URL.") from error


def _prediction(found: list[Drawn], card: ModelCard) -> msgspec.Raw:
    """``score``: the mean over all pixels of regions; null where there are none, or no scores."""
    total, pixels = (sum(values) for values in zip(*(one.scored for one in found), strict=True))
    items = [msgspec.Raw(item) for one in found for item in one.items]
    score = total / pixels if pixels else None
    return _encoded({"result": items, "score": score, "model_version": version_of(card)})


def _failed(text: str, card: ModelCard) -> msgspec.Raw:
    return _encoded({"result": [], "score": 0.0, "model_version": version_of(card), "error": text})


def _encoded(value: dict[str, Any]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
