"""POST .../predict: what is read of a request, and the predictions that answer it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest
from maskery.core.plan import Demand
from maskery.serving.http.json_body import parsed
from maskery.serving.protocols.label_studio.config import VARIABLE, Part, plan_of, read_config
from maskery.serving.protocols.label_studio.regions import DrawnRegions, draw, run_options_of
from maskery.serving.protocols.label_studio.smart_tools import SmartContext, SmartRequest, smart_request
from maskery.serving.runtime.request import Outcome, SegmentRequest, Writer

PROTOCOL = "label-studio"
TASKS_AT_MOST = 1000
PICTURES_AT_MOST = 100  # of one task
STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
IGNORED = "What of the labelling configuration is not used."
HELD_BYTES = 6.0
"""A pixel, while brush strokes and outlines are written."""


class LabelStudioTask(msgspec.Struct, frozen=True):
    """What is read of a task; ``data``: JSON by name."""

    data: Annotated[
        dict[str, msgspec.Raw], Meta(description="Pictures by name: address, data URL or /data/... path.")
    ] = {}


class PredictParams(msgspec.Struct, frozen=True):
    """``context``: what somebody has drawn with a smart tool."""

    context: SmartContext | None = None


class PredictBody(msgspec.Struct, frozen=True):
    """What is read of a request."""

    tasks: list[LabelStudioTask]
    label_config: str
    params: PredictParams | None = None


@dataclass(frozen=True)
class PredictRequest:
    """A request, understood. ``by_key``: what is drawn on the picture that a task's data has under that name.

    ``smart``: what a smart tool asks for, in place of all that.
    """

    tasks: list[LabelStudioTask]
    by_key: dict[str, list[Part]]
    ignored: tuple[str, ...]
    smart: SmartRequest | None = None


class Prediction(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a task is answered with. ``score``: null where there are no regions, or no scores."""

    result: list[Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]]
    score: float | None
    model_version: str
    error: Annotated[str, Meta(description="Why a task has no regions.")] | UnsetType = UNSET


class Predictions(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer, a prediction for each task in order."""

    results: list[Prediction]
    model_version: str
    ignored: Annotated[tuple[str, ...], Meta(description=IGNORED)] | UnsetType = UNSET


def version_of(card: ModelCard) -> str:
    """How a model is called towards Label Studio."""
    return f"{card.name}:{card.version}"


def parse_request(body: bytes, card: ModelCard, clicks: bool) -> PredictRequest:
    """``clicks``: whether there is a model that answers smart tools. Raises ``BadRequest``."""
    ask = parsed(body, PredictBody, "a prediction request of Label Studio")
    if len(ask.tasks) > TASKS_AT_MOST:
        raise BadRequest(f"{len(ask.tasks):,} tasks in one request.", f"Send at most {TASKS_AT_MOST:,}.")
    config = read_config(ask.label_config)
    context = ask.params.context if ask.params and clicks else None
    if context is not None:
        return PredictRequest(ask.tasks, {}, config.ignored, smart_request(context, config))
    plan = plan_of(config, card)
    by_key: dict[str, list[Part]] = {}
    for part in plan.parts:
        by_key.setdefault(part.control.key, []).append(part)
    return PredictRequest(ask.tasks, by_key, plan.ignored)


def write_regions(outcome: Outcome, parts: tuple[Part, ...]) -> DrawnRegions:
    """The regions of all parts."""
    return draw(outcome.result, parts)


REGIONS = Writer(f"{PROTOCOL}:regions", write_regions)


def request_of(picture: bytes, parts: Sequence[Part], card: ModelCard) -> SegmentRequest[DrawnRegions]:
    """One picture and the regions that are drawn on it."""
    return SegmentRequest(
        source=picture,
        answer=REGIONS.with_options(tuple(parts)),
        model=f"{card.name}@{card.version}",
        run_options=run_options_of(card),
        demand=Demand(held=HELD_BYTES),
        format="regions",
    )


def values_of(task: LabelStudioTask, key: str) -> list[str]:
    """The addresses of a task's pictures: one, or as many as the list has that ``key`` leads to.

    ``key`` is the value of an Image tag, text with a variable such as ``$image``, ``$image.url`` or ``$images[0]``.
    Raises ``BadRequest``.
    """
    found = VARIABLE.search(key)
    assert found, "the configuration has been read"
    name, before, after = found[1], key[: found.start()], key[found.end() :]
    if name not in task.data:
        raise BadRequest(f"The task's data has no {name!r}.", "The Image tag's value names the column of the pictures.")
    try:
        value, rest = _followed(msgspec.json.decode(task.data[name]), found[2])
        texts = value if isinstance(value, list) and value and not rest else [value]
        if not all(isinstance(text, str) for text in texts):
            msgspec.convert(value, str)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        what = f"{name}{found[2]}"
        raise BadRequest(f"The task's {what!r} is no text: {error}.", "Give an address or a data URL.") from error
    if len(texts) > PICTURES_AT_MOST:
        raise BadRequest(f"The task has {len(texts):,} pictures.", f"Give at most {PICTURES_AT_MOST}.")
    return [f"{before}{text}{rest}{after}" for text in texts]


def _followed(value: Any, way: str) -> tuple[Any, str]:
    """What lies at ``.name`` and ``[0]``, one after another, and the rest of the way, which is text behind a text."""
    while way and not isinstance(value, str):
        step = STEP.match(way)
        assert step, "the whole way is of such steps"
        try:
            value = value[step[1] if step[1] else int(step[2])]
        except (KeyError, IndexError, TypeError):
            return None, ""
        way = way[step.end() :]
    return value, way


def prediction(found: list[DrawnRegions], card: ModelCard) -> Prediction:
    """Of one task. ``score``: the mean over all pixels of regions."""
    total, pixels = sum(one.scored[0] for one in found), sum(one.scored[1] for one in found)
    items = [msgspec.Raw(item) for one in found for item in one.items]
    return Prediction(items, total / pixels if pixels else None, version_of(card))


def of_page(drawn: DrawnRegions, index: int) -> DrawnRegions:
    """The regions of one of several pictures of a task, which say of which."""
    return replace(drawn, items=[b'{"item_index":%d,' % index + bytes(item)[1:] for item in drawn.items])


def failed(text: str, card: ModelCard) -> Prediction:
    """Of a task without an answer."""
    return Prediction([], 0.0, version_of(card), text)
