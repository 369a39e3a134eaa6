"""The tasks on made-up outputs, where the right answer is known."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from maskery.core.arrays import Array
from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest, ModelError
from maskery.core.picture.decode import open_picture
from maskery.core.plan import RunOptions
from maskery.core.result.types import ClassificationResult, ForegroundResult, SemanticResult
from maskery.inference import pipeline, preprocess
from maskery.inference.pipeline import Model
from maskery.inference.preprocess import frame_of, place
from maskery.inference.tasks.base import ModelOutput
from maskery.inference.tasks.registry import TASKS
from maskery.models.card_toml import parse_card


def card(task: str, output: dict[str, Any], labels: list[str]) -> ModelCard:
    plain = {
        "name": "toy", "version": "1", "task": task, "description": "", "file": "toy.onnx", "sha256": "0" * 64,
        "bytes": 1, "url": "", "licence": {"name": "MIT", "commercial_use": True}, "labels": labels,
        "input": {"tensor": "x", "layout": "NCHW", "resize": "stretch", "size": [4, 2]},
        "output": {"tensor": "y", **output},
    }  # fmt: skip
    return parse_card(plain, "toy")


def read(
    card: ModelCard, output: NDArray[Any], original_wh: tuple[int, int] = (8, 4), maps: tuple[str, ...] = ()
) -> Any:
    placement = place(original_wh, card.input)
    frame = frame_of(placement, 1)
    model_output = ModelOutput(
        outputs={"y": output}, placement=placement, frame=frame, card=card, timings_ms={}, maps=maps
    )
    return TASKS[card.task].read(model_output)


SCORES = np.array([[[0, 0, 9, 9], [0, 0, 9, 9]], [[5, 5, 5, 5], [5, 5, 5, 5]]], np.float32)
LABELS = ["background", "cat"]


@pytest.mark.parametrize("layout", ["CHW", "HWC"])
def test_semantic_from_scores(layout: str) -> None:
    output = SCORES[None] if layout == "CHW" else SCORES.transpose(1, 2, 0)[None]
    toy = card("semantic", {"kind": "logits", "layout": layout}, LABELS)
    result = read(toy, output, maps=("entropy", "confidence"))
    assert isinstance(result, SemanticResult)
    # The border lies where the lines 0..9 and 5 cross: at 5/9 of the way between the columns 1 and 2.
    assert result.class_map.tolist() == [[1, 1, 1, 1, 0, 0, 0, 0]] * 4
    assert result.decided_by == "interpolated scores"
    assert set(result.maps) == {"entropy", "confidence"}
    assert result.maps["confidence"][0, 0] == pytest.approx(1 / (1 + np.exp(-5)), abs=1e-6)
    assert result.maps["confidence"].min() >= 0.5
    assert result.maps["entropy"][0, 0] == pytest.approx(0.0402 / np.log(2), abs=1e-3)
    assert [(c.name, c.pixels, c.box_xyxy) for c in result.classes] == [
        ("background", 16, (4, 0, 8, 4)),
        ("cat", 16, (0, 0, 4, 4)),
    ]


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.float32, np.uint8])
def test_semantic_from_a_class_map(dtype: type) -> None:
    output = np.array([[[0, 1, 1, 0], [0, 0, 1, 1]]], dtype)
    result = read(card("semantic", {"kind": "class-map", "layout": "HW"}, LABELS), output)
    assert result.class_map.tolist() == [[0, 0, 1, 1, 1, 1, 0, 0]] * 2 + [[0, 0, 0, 0, 1, 1, 1, 1]] * 2
    assert "nearest" in result.decided_by
    for shape in ((1, 1, 2, 4), (1, 2, 4, 1), (2, 4)):
        other = read(card("semantic", {"kind": "class-map", "layout": "HW"}, LABELS), output.reshape(shape))
        assert np.array_equal(other.class_map, result.class_map)


def test_foreground_stays_soft() -> None:
    probability = np.array([[0, 0, 1, 1], [0, 0, 1, 1]], np.float32)
    toy = card("foreground", {"kind": "foreground", "layout": "HW"}, ["background", "person"])
    result = read(toy, probability[None])
    assert isinstance(result, ForegroundResult)
    assert result.alpha.tolist() == [[0, 0, 0, 64, 191, 255, 255, 255]] * 4
    assert result.class_map.tolist() == [[0, 0, 0, 0, 1, 1, 1, 1]] * 4
    two = np.stack([1 - probability, probability])[None]
    channel = {"kind": "probabilities", "layout": "CHW", "foreground_channel": 1}
    assert np.array_equal(read(card("foreground", channel, toy.labels), two).alpha, result.alpha)
    flat = {"kind": "foreground", "layout": "C"}
    assert np.array_equal(read(card("foreground", flat, toy.labels), probability.reshape(1, -1)).alpha, result.alpha)


@pytest.mark.parametrize(("kind", "scores"), [("logits", [0.0, np.log(3)]), ("scores", [1.0, 3.0])])
def test_classification(kind: str, scores: list[float]) -> None:
    result = read(card("classification", {"kind": kind, "layout": "C"}, LABELS), np.array([scores], np.float32))
    assert isinstance(result, ClassificationResult)
    assert result.scores == pytest.approx([0.25, 0.75])
    assert result.top(1) == [("cat", pytest.approx(0.75))]


@pytest.mark.parametrize(
    ("task", "output", "array"),
    [
        ("semantic", {"kind": "logits", "layout": "CHW"}, np.zeros((1, 3, 2, 4), np.float32)),
        ("semantic", {"kind": "logits", "layout": "CHW"}, np.zeros((1, 2, 4), np.float32)),
        ("semantic", {"kind": "class-map", "layout": "HW"}, np.full((1, 2, 4), 7)),
        ("semantic", {"kind": "class-map", "layout": "HW"}, np.full((2,), 0)),
        ("classification", {"kind": "scores", "layout": "C"}, np.zeros((1, 3), np.float32)),
    ],
)
def test_an_output_that_is_not_as_the_card_says(task: str, output: dict[str, str], array: NDArray[Any]) -> None:
    with pytest.raises(ModelError, match="Correct"):
        read(card(task, output, LABELS), array)


class Fake:
    device, runtime, batches = "cpu", "none", False

    def run(self, inputs: Mapping[str, Array], keep: bool = True) -> dict[str, Array]:
        assert inputs["x"].shape == (1, 3, 2, 4)
        return {"y": SCORES[None]}


def test_the_road_checks_wishes_before_it_runs() -> None:
    model = Model(card("semantic", {"kind": "logits", "layout": "CHW"}, LABELS), Fake())
    picture = open_picture(np.zeros((4, 8, 3), np.uint8), max_bytes=1, max_pixels=100)
    result = model.run(picture, RunOptions(classes=("cat",)))
    assert list(result.meta.timings_ms) == ["decode", "preprocess", "run", "postprocess"]
    with pytest.raises(BadRequest, match="Did you mean 'cat'"):
        model.run(picture, RunOptions(classes=("cta",)))
    soft = Model(card("foreground", {"kind": "foreground", "layout": "HW"}, LABELS), Fake())
    for task, kind in (("foreground", "foreground"), ("semantic", "class-map"), ("classification", "scores")):
        other = Model(card(task, {"kind": kind, "layout": "HW"}, LABELS), Fake())
        with pytest.raises(BadRequest, match="no entropy map"):
            other.run(picture, RunOptions(maps=("entropy",)))
    with pytest.raises(BadRequest, match="Did you mean 'margin'"):
        model.run(picture, RunOptions(maps=("margn",)))
    with pytest.raises(BadRequest, match="no class 'background'"):
        soft.run(picture, RunOptions(classes=("background",)))


def test_keep_on_a_model_without_background() -> None:
    model = Model(card("semantic", {"kind": "logits", "layout": "CHW"}, ["road", "car"]), Fake())
    picture = open_picture(np.zeros((4, 8, 3), np.uint8), max_bytes=1, max_pixels=100)
    result = model.run(picture, RunOptions(classes=("car",)))
    assert isinstance(result, SemanticResult)
    assert set(np.unique(result.class_map)) == {1, 255}
    assert [c.name for c in result.classes] == ["car"]


def test_what_a_plan_decided_is_not_decided_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(card("semantic", {"kind": "logits", "layout": "CHW"}, LABELS), Fake())
    picture = open_picture(np.zeros((4, 8, 3), np.uint8), max_bytes=1, max_pixels=100)
    plan = model.plan(picture, RunOptions(classes=("cat",)))
    for module, name in ((pipeline, "check"), (pipeline, "facts_of"), (preprocess, "place")):
        monkeypatch.setattr(module, name, None)
    result = model.follow(plan, picture)
    assert isinstance(result, SemanticResult)
    assert result.meta.plan == plan
