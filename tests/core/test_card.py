from pathlib import Path
from typing import Any

import msgspec
import pytest

from maskery.core.card import ModelCard, load_card
from maskery.core.errors import ConfigError
from maskery.core.toml import convert

CARD: dict[str, Any] = {
    "name": "toy",
    "version": "1",
    "task": "semantic",
    "description": "a toy",
    "file": "toy.onnx",
    "sha256": "0" * 64,
    "bytes": 1,
    "url": "",
    "licence": {"name": "MIT", "commercial_use": True},
    "labels": ["background", "cat"],
    "input": {"tensor": "x", "layout": "NCHW", "resize": "longest-side", "side": 64},
    "output": {"tensor": "y", "kind": "logits", "layout": "CHW"},
}


def card(**changes: Any) -> ModelCard:
    return convert(CARD | changes, ModelCard, "toy")


def test_a_good_card() -> None:
    good = card()
    assert good.colours == [(0, 0, 0), (128, 0, 0)]
    assert good.background == 0
    assert not good.must_accept_licence
    assert not good.input.fixed


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"nmae": "x"}, "unknown key 'nmae'"),
        ({"name": "../x"}, "must be of a-z"),
        ({"file": "a/b.onnx"}, "plain file name"),
        ({"sha256": "00"}, "64 hexadecimal"),
        ({"labels": ["a", "a"]}, "distinct"),
        ({"palette": [[0, 0, 0]]}, "1 colours for 2 labels"),
        ({"task": "foreground"}, None),
        ({"task": "classification"}, "cannot have output kind 'logits'"),
        ({"input": CARD["input"] | {"resize": "stretch"}}, "needs size"),
        ({"input": {"tensor": "x", "layout": "NCHW", "resize": "square"}}, "needs side"),
        ({"input": CARD["input"] | {"std": [1, 0, 1]}}, "std has a zero"),
        ({"input": CARD["input"] | {"layuot": "NCHW"}}, "unknown key 'input.layuot'. Did you mean 'layout'?"),
        ({"check": {"shares": {"dog": 0.5}}}, "'dog', which is no label"),
        ({"licence": {"name": "MIT"}}, "missing key 'licence.commercial_use'"),
    ],
)
def test_what_a_card_refuses(changes: dict[str, Any], says: str | None) -> None:
    if changes == {"task": "classification"}:
        changes = changes | {"output": CARD["output"] | {"kind": "probabilities"}}
        says = "cannot have output kind 'probabilities'"
    if says is None:
        assert card(**changes).task == "foreground"
        return
    with pytest.raises(ConfigError) as caught:
        card(**changes)
    assert says in str(caught.value)


def test_licences_that_must_be_accepted() -> None:
    assert card(licence={"name": "x", "commercial_use": False}).must_accept_licence
    assert card(licence={"name": "AGPL-3.0", "commercial_use": True, "copyleft": True}).must_accept_licence


def test_load_card_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_text("name = 'x'\n")
    with pytest.raises(ConfigError, match=r"model\.toml: missing key 'version'"):
        load_card(path)


def test_a_card_survives_its_own_text(tmp_path: Path) -> None:
    from maskery.models.card_toml import card_text

    path = tmp_path / "model.toml"
    also = [{"data": name, "miou": 0.5, "iou": {"cat": 0.5}, "overrides": {"kitten": ["cat"]}} for name in ("b", "c")]
    original = card(
        check={"shares": {"cat": 0.5}},
        training={"epochs": 3, "loss": 0.5, "who": 'a "quoted" name'},
        quality={"data": "a", "split": "val", "top1": 0.9, "images": {"cat": 3}},
        quality_also=also,
    )
    assert [one.data for one in original.measured] == ["a", "b", "c"]
    path.write_text(card_text(original))
    assert load_card(path) == original
    assert msgspec.to_builtins(load_card(path)) == msgspec.to_builtins(original)
