"""Smart tools: the keypoints, the rectangle or the brush stroke that somebody has just made -> what a model is asked.

Label Studio sends along what it has drawn so far. The last keypoint or rectangle says what is meant: its label;
keypoints of that label are the clicks, the last rectangle of it is the box. Everything else, masks of earlier answers
above all, is passed over. Without keypoints and rectangles the last brush stroke is a row of clicks.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from maskery.core.arrays import Doubles
from maskery.core.errors import BadRequest
from maskery.core.picture.decode import Picture
from maskery.core.plan import Demand, RunOptions
from maskery.core.prompt import Click, Prompt
from maskery.core.result.capabilities import HasCandidates, expect
from maskery.encode.annotations.brush_strokes import stroke_places
from maskery.inference.prompts.prompt_input import MOST_CLICKS
from maskery.serving.protocols.label_studio.config import Config, Control, Part, SmartTag
from maskery.serving.protocols.label_studio.regions import DrawnRegions, draw
from maskery.serving.runtime.request import Outcome, SegmentRequest, Writer

KEYPOINT, RECTANGLE, BRUSH = "keypointlabels", "rectanglelabels", "brushlabels"
OBJECT = 1
"""The class of what a prompt model cuts out; the other one is background."""
STROKE_CLICKS = 8
HELD_BYTES = 6.0
"""A pixel, while brush strokes and outlines are written."""


class ContextItem(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of something drawn; lengths are percent of the picture.

    Attributes:
        type: keypointlabels, rectanglelabels, brushlabels.
        value: Place and labels, JSON by name.
        is_positive: Of a keypoint: whether it is on the object.
        to_name: The Image tag.
        original_width: The picture's.
        original_height: The picture's.
        item_index: Which of several pictures of the task.
    """

    type: str = ""
    value: dict[str, msgspec.Raw] = {}
    is_positive: int | bool = 1
    to_name: str = ""
    original_width: int = 0
    original_height: int = 0
    item_index: int = 0

    @property
    def label(self) -> str:
        """The label that was chosen; empty where there is none."""
        names: list[str] = _decoded(self.value.get(self.type), list[str]) or [""]
        return names[0]


class SmartContext(msgspec.Struct, frozen=True):
    """What was drawn, the newest last."""

    result: list[ContextItem] = []


@dataclass(frozen=True)
class SmartRequest:
    """``prompt``: of the opened picture; ``part``: how its answer is drawn; ``page``: on which of a task's pictures."""

    prompt: Callable[[Picture], RunOptions]
    part: Part
    page: int = 0


def smart_request(context: SmartContext, config: Config) -> SmartRequest | None:
    """What the newest item asks for; None where nothing of it can be asked. Raises ``BadRequest`` where its answer has
    no place in the configuration.
    """
    pointing = [item for item in context.result if item.type in (KEYPOINT, RECTANGLE)]
    drawn = pointing or [item for item in context.result if item.type == BRUSH]
    if not drawn:
        return None
    newest = drawn[-1]
    same = [item for item in drawn if item.label == newest.label and item.to_name == newest.to_name]
    control = _control(config, newest)
    labels = [label.value for label in control.labels]
    label = newest.label or (labels[0] if labels else "")
    if label not in labels:
        what = f"{control.kind} {control.name!r} has no label {label!r}"
        raise BadRequest(f"The mask has no place: {what}.", "Give it the labels of the smart tools.")

    def options(picture: Picture) -> RunOptions:
        return RunOptions(prompt=_prompt(same, newest, picture.size_wh))

    return SmartRequest(options, Part(control, (label,), (-1, 0)), max(0, newest.item_index))


def _control(config: Config, newest: ContextItem) -> Control:
    """Where the mask goes: brush strokes, or else polygons."""
    own = [one for one in config.controls if newest.to_name in ("", one.to_name)]
    for kind in (BRUSH, "polygonlabels"):
        fitting = [one for one in own if one.kind == kind]
        with_label = [one for one in fitting if newest.label in [label.value for label in one.labels]]
        if fitting:
            return (with_label or fitting)[0]
    raise BadRequest("The configuration has no place for a mask.", "Add <BrushLabels> with the same labels.")


def _prompt(same: Sequence[ContextItem], newest: ContextItem, size_wh: tuple[int, int]) -> Prompt:
    if newest.type == BRUSH:
        places = stroke_places(_stroke(newest), (newest.original_width, newest.original_height), STROKE_CLICKS)
        x_scale, y_scale = size_wh[0] / newest.original_width, size_wh[1] / newest.original_height
        return Prompt(tuple(Click(x * x_scale, y * y_scale) for x, y in places))
    points = [item for item in same if item.type == KEYPOINT][-MOST_CLICKS:]
    boxes = [item for item in same if item.type == RECTANGLE][-1:]
    clicks = tuple(_click(item, size_wh) for item in points)
    return Prompt(clicks, _box(boxes[0], size_wh) if boxes else None)


def _stroke(item: ContextItem) -> bytes:
    values = _decoded(item.value.get("rle"), list[int])
    if (
        not values
        or not all(0 <= value <= 255 for value in values)
        or min(item.original_width, item.original_height) < 1
    ):
        raise BadRequest("The brush stroke of the context cannot be read.", "Draw it again.")
    return bytes(values)


def _click(item: ContextItem, size_wh: tuple[int, int]) -> Click:
    (x, y), (width, height) = _numbers(item, ("x", "y")), size_wh
    return Click(_clipped(x) * width / 100, _clipped(y) * height / 100, bool(item.is_positive))


def _box(item: ContextItem, size_wh: tuple[int, int]) -> tuple[float, float, float, float]:
    """Around the rectangle, which may be turned around its left upper corner."""
    x, y, across, down = _numbers(item, ("x", "y", "width", "height"))
    turn = math.radians(_number(item, "rotation", 0.0))
    width, height = size_wh
    corners: Doubles = np.array([[0, 0], [across, 0], [across, down], [0, down]]) * (width / 100, height / 100)
    turned = corners @ np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    turned += (x * width / 100, y * height / 100)
    (left, top), (right, bottom) = turned.min(0).tolist(), turned.max(0).tolist()
    return left, top, right, bottom


def _clipped(percent: float) -> float:
    return min(100.0, max(0.0, percent))


def _numbers(item: ContextItem, names: Iterable[str]) -> list[float]:
    return [_number(item, name) for name in names]


def _number(item: ContextItem, name: str, usual: float | None = None) -> float:
    value = _decoded(item.value.get(name), float) if name in item.value else usual
    if value is None or not math.isfinite(value):
        raise BadRequest(f"A {item.type} of the context has no number {name!r}.", "Draw it again.")
    return float(value)


def _decoded(raw: msgspec.Raw | None, kind: Any) -> Any:
    """None for what is not there, or is no ``kind``."""
    try:
        return None if raw is None else msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def write_smart(outcome: Outcome, part: Part) -> DrawnRegions:
    """The best candidate as a region, with its score."""
    found = expect(outcome.result, HasCandidates).instances
    if not found:
        return DrawnRegions([], (0.0, 0))
    drawn = draw(outcome.result, [part])
    score, pixels = found[0].score, found[0].area
    items = [msgspec.json.encode(msgspec.json.decode(item) | {"score": score}) for item in drawn.items]
    return DrawnRegions(items, (score * pixels, pixels))


SMART = Writer("label-studio:smart", write_smart)


def smart_segment_request(picture: bytes, asked: SmartRequest, model: str) -> SegmentRequest[DrawnRegions]:
    """One picture and the region that was asked for."""
    return SegmentRequest(
        source=picture,
        answer=SMART.with_options(asked.part),
        model=model,
        run_options=asked.prompt,
        demand=Demand(held=HELD_BYTES),
        format="smart",
    )


def smart_gaps(config: Config) -> tuple[str, ...]:
    """What a configuration lacks for smart tools, in words; empty where they work, or where none is wanted."""
    tags = config.smart_tags
    asking = [tag for tag in tags if tag.smart and tag.kind in (KEYPOINT, RECTANGLE)]
    gaps = [
        f'{tag.kind} {tag.name!r} has smart="true", but Label Studio asks nothing when it is used'
        for tag in tags
        if tag.smart and tag.kind not in (KEYPOINT, RECTANGLE)
    ]
    if not asking:
        pointing = [tag for tag in tags if tag.kind == KEYPOINT]
        what = f'keypointlabels {pointing[0].name!r} lacks smart="true"' if pointing else _NO_TOOL
        return (*gaps, what)
    places = [one for one in config.controls if one.kind in (BRUSH, "polygonlabels")]
    if not places:
        return (*gaps, "there is no BrushLabels (or PolygonLabels) for the mask to go to")
    return (*gaps, *(gap for tag in asking for gap in _missing_labels(tag, places)))


_NO_TOOL = 'no KeyPointLabels or RectangleLabels with smart="true": nothing is asked when somebody clicks'


def _missing_labels(tag: SmartTag, places: Sequence[Control]) -> list[str]:
    known = {label.value for one in places if one.to_name == tag.to_name for label in one.labels}
    missing = [label for label in tag.labels if label not in known]
    return [f"label {label!r} of {tag.name!r} is no label of the BrushLabels" for label in missing]
