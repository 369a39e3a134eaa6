"""Cards as text: what is written is read back, and the form before ``[[networks]]`` is still read."""

import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

from maskery.core.card import Detector
from maskery.core.card_tensors import Output
from maskery.core.errors import ConfigError
from maskery.models.card_toml import card_text, load_card, parse_card
from tests.core.test_card import CARD, DECODER, ENCODER

EARLIER: dict[str, Any] = {
    "name": "toy",
    "version": "1",
    "task": "semantic",
    "description": "a toy",
    "file": "toy.onnx",
    "sha256": "0" * 64,
    "bytes": 1,
    "url": "https://models.invalid/toy.onnx",
    "licence": {"name": "MIT", "commercial_use": True},
    "labels": ["background", "cat"],
    "input": {"tensor": "x", "layout": "NCHW", "resize": "longest-side", "side": 64},
    "output": {"tensor": "y", "kind": "logits", "layout": "CHW"},
}


def test_load_card_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_text("name = 'x'\n")
    with pytest.raises(ConfigError, match=r"model\.toml: missing key 'version'"):
        load_card(path)


def test_a_card_survives_its_own_text(tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    also = [{"data": name, "miou": 0.5, "iou": {"cat": 0.5}, "overrides": {"kitten": ["cat"]}} for name in ("b", "c")]
    more = {
        "networks": [ENCODER, DECODER],
        "check": {"shares": {"cat": 0.5}},
        "training": {"epochs": 3, "loss": 0.5, "who": 'a "quoted" name'},
        "quality": {"data": "a", "split": "val", "top1": 0.9, "images": {"cat": 3}},
        "quality_also": also,
        "detector": {"model": "spots", "margin": 0.5},
    }
    original = parse_card(CARD | more, "toy")
    assert [one.data for one in original.measured] == ["a", "b", "c"]
    path.write_text(card_text(original))
    assert load_card(path) == original
    assert msgspec.to_builtins(load_card(path)) == msgspec.to_builtins(original)


def test_the_earlier_form_is_read_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "maskery"):
        card = parse_card(EARLIER, "my/model.toml")
    assert card == parse_card(CARD | {"networks": [EARLIER_NETWORK]}, "toy")
    (record,) = caplog.records
    assert (record.levelname, "my/model.toml is in an earlier form" in record.message) == ("INFO", True)


EARLIER_NETWORK = {key: EARLIER[key] for key in ("file", "sha256", "bytes", "url")}


def test_the_present_form_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "maskery"):
        parse_card(CARD, "toy")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("task", "output", "becomes"),
    [
        ("semantic", {"kind": "logits", "layout": "CHW"}, {"role": "scores", "layout": "CHW"}),
        ("semantic", {"kind": "probabilities", "layout": "HWC"}, {"role": "scores", "values": "probabilities"}),
        ("semantic", {"kind": "class-map", "layout": "HW"}, {"role": "class-map", "layout": "HW"}),
        ("foreground", {"kind": "foreground", "layout": "HWC"}, {"role": "alpha", "values": "probabilities"}),
        ("foreground", {"kind": "logits", "layout": "CHW"}, {"role": "alpha", "values": "logits"}),
        (
            "foreground",
            {"kind": "probabilities", "layout": "CHW", "foreground_channel": 1},
            {"role": "alpha", "values": "probabilities", "channel": 1},
        ),
        ("classification", {"kind": "scores", "layout": "C"}, {"role": "scores", "values": "probabilities"}),
    ],
)
def test_kinds_of_outputs_of_the_earlier_form(task: str, output: dict[str, Any], becomes: dict[str, Any]) -> None:
    card = parse_card(EARLIER | {"task": task, "output": {"tensor": "y"} | output}, "toy")
    assert card.outputs == [Output(**({"tensor": "y", "layout": output["layout"]} | becomes))]


def test_a_finder_of_the_earlier_form_is_a_detector_with_two_outputs() -> None:
    output = {"tensor": "boxes", "joined": "logits", "kind": "boxes", "layout": "NC", "anchors": [[4, 1]]}
    card = parse_card(EARLIER | {"task": "finder", "labels": ["face"], "output": output}, "toy")
    assert card.task == "detector"
    assert card.outputs == [
        Output(tensor="boxes", role="boxes", layout="NC", anchors=[(4, 1)]),
        Output(tensor="logits", role="box-logits", layout="NC"),
    ]


@pytest.mark.parametrize("form", [CARD, EARLIER])
def test_finder_is_another_name_for_detector(form: dict[str, Any]) -> None:
    assert parse_card(form | {"finder": {"model": "spots"}}, "toy").detector == Detector(model="spots")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"output": {"tensor": "y", "kind": "loggits", "layout": "CHW"}}, "loggits"),
        ({"output": {"tensor": "y", "layout": "CHW"}}, "missing key 'outputs[0].role'"),
        ({"output": "y"}, "Expected `object`"),
        ({"input": EARLIER["input"] | {"layuot": "x"}}, "unknown key 'inputs[0].layuot'"),
        ({"networks": [{"file": "b.onnx"}]}, "missing key 'networks[0].sha256'"),
    ],
)
def test_mistakes_in_the_earlier_form_are_named(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_card(EARLIER | changes, "toy")
    assert says in str(caught.value)
