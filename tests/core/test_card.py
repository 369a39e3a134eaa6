"""What a card may say. The text of cards is tested in tests/models/test_card_toml.py."""

from typing import Any

import pytest

from maskery.core.card import ModelCard, Network
from maskery.core.card_tensors import Input
from maskery.core.errors import ConfigError
from maskery.core.toml import convert

NETWORK: dict[str, Any] = {"file": "toy.onnx", "sha256": "0" * 64, "bytes": 1}
PICTURE: dict[str, Any] = {"tensor": "x", "layout": "NCHW", "resize": "longest-side", "side": 64}
SCORES: dict[str, Any] = {"tensor": "y", "role": "scores", "layout": "CHW"}
CARD: dict[str, Any] = {
    "name": "toy",
    "version": "1",
    "task": "semantic",
    "description": "a toy",
    "licence": {"name": "MIT", "commercial_use": True},
    "labels": ["background", "cat"],
    "networks": [NETWORK],
    "inputs": [PICTURE],
    "outputs": [SCORES],
}
ENCODER = NETWORK | {"name": "encoder", "file": "encoder.onnx", "inputs": ["x"], "outputs": ["features"]}
DECODER = NETWORK | {"name": "decoder", "sha256": "1" * 64, "bytes": 2, "inputs": ["features"], "outputs": ["y"]}


def card(**changes: Any) -> ModelCard:
    return convert(CARD | changes, ModelCard, "toy")


def test_a_good_card() -> None:
    good = card()
    assert good.colours == [(0, 0, 0), (128, 0, 0)]
    assert good.background == 0
    assert not good.must_accept_licence
    assert not good.input.fixed
    assert good.output.logits
    assert (good.file, good.sha256, good.bytes, good.url) == ("toy.onnx", "0" * 64, 1, "")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"nmae": "x"}, "unknown key 'nmae'"),
        ({"name": "../x"}, "must be of a-z"),
        ({"networks": [NETWORK | {"file": "a/b.onnx"}]}, "plain file name"),
        ({"networks": [NETWORK | {"sha256": "00"}]}, "64 hexadecimal"),
        ({"networks": []}, "at least one network"),
        ({"networks": [ENCODER, ENCODER | {"file": "other.onnx"}]}, "two networks have the same name"),
        ({"networks": [ENCODER, DECODER | {"file": "encoder.onnx"}]}, "two networks have the same file"),
        ({"networks": [DECODER, ENCODER]}, "network 'decoder' takes 'features', which nothing before it gives"),
        ({"networks": [ENCODER]}, "no network gives the output 'y'"),
        ({"labels": ["a", "a"]}, "distinct"),
        ({"labels": [str(i) for i in range(65_537)]}, "more than 65536"),
        ({"palette": [[0, 0, 0]]}, "1 colours for 2 labels"),
        ({"task": "foreground"}, "one output of role 'alpha', not scores"),
        ({"task": "detector"}, "one output of role 'boxes', not scores"),
        ({"outputs": []}, "one output of role 'scores' or 'class-map', not none"),
        ({"outputs": [SCORES, SCORES | {"tensor": "z"}]}, "not scores, scores"),
        ({"outputs": [SCORES, SCORES | {"role": "features"}]}, "two outputs have the same tensor"),
        ({"outputs": [SCORES | {"role": "boxes"}]}, "have layout 'NC'"),
        ({"outputs": [SCORES | {"anchors": [[8, 1]]}]}, "'boxes' has anchors"),
        ({"inputs": []}, "exactly one input of role 'picture'"),
        ({"inputs": [{"tensor": "x"}]}, "needs layout and resize"),
        ({"inputs": [PICTURE | {"resize": "stretch"}]}, "needs size"),
        ({"inputs": [{"tensor": "x", "layout": "NCHW", "resize": "square"}]}, "needs side"),
        ({"inputs": [PICTURE | {"std": [1, 0, 1]}]}, "std has a zero"),
        ({"inputs": [PICTURE | {"layuot": "NCHW"}]}, "unknown key 'inputs[0].layuot'. Did you mean 'layout'?"),
        ({"check": {"shares": {"dog": 0.5}}}, "'dog', which is no label"),
        ({"licence": {"name": "MIT"}}, "missing key 'licence.commercial_use'"),
        ({"labels": ["a", "b"], "detector": {"model": "spots"}}, "label background has a detector"),
    ],
)
def test_what_a_card_refuses(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        card(**changes)
    assert says in str(caught.value)


def test_licences_that_must_be_accepted() -> None:
    assert card(licence={"name": "x", "commercial_use": False}).must_accept_licence
    assert card(licence={"name": "AGPL-3.0", "commercial_use": True, "copyleft": True}).must_accept_licence


def test_several_networks() -> None:
    both = card(networks=[ENCODER, DECODER])
    assert both.bytes == 3
    assert both.sha256 not in ("0" * 64, "1" * 64)
    assert both.sha256 != card(networks=[ENCODER, DECODER | {"sha256": "2" * 64}]).sha256
    with pytest.raises(ValueError, match="too many values"):
        both.with_file("other.onnx", "0" * 64, 1)


def test_a_prompt_is_an_input_without_a_way_from_the_picture() -> None:
    points = {"tensor": "points", "role": "points"}
    prompted = card(inputs=[points, PICTURE])
    assert prompted.input == Input(tensor="x", layout="NCHW", resize="longest-side", side=64)
    assert prompted.inputs_of(prompted.networks[0]) == ["points", "x"]


def test_another_file() -> None:
    other = card(networks=[NETWORK | {"url": "https://models.invalid/toy.onnx"}]).with_file("b.onnx", "1" * 64, 7)
    assert other.networks == [Network(file="b.onnx", sha256="1" * 64, bytes=7)]
