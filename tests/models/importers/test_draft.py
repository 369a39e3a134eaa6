import pytest

from maskery.core.card import Licence
from maskery.core.card_tensors import Input
from maskery.core.errors import ConfigError
from maskery.core.labels import CITYSCAPES, VOC, voc_palette
from maskery.models.importers.draft import SourceFacts, distinct, draft, palette, plain_name

SPEC = Input(tensor="image", layout="NCHW", resize="longest-side", side=512)
FREE = Licence(name="MIT", commercial_use=True)


def test_palette() -> None:
    assert palette(VOC) == voc_palette(21)
    assert palette(("background", "cat")) == voc_palette(2)
    assert palette(("wall", "building")) == voc_palette(3)[1:]
    assert palette(CITYSCAPES)[0] == (128, 64, 128)
    many = palette([f"class {i}" for i in range(300)])
    assert len(set(many)) == 300


def test_distinct() -> None:
    assert distinct(["a", "b", "a", "a"]) == ["a", "b", "a 2", "a 3"]


def test_plain_name() -> None:
    assert plain_name("SegFormer B0 (ADE)") == "segformer-b0-ade"
    assert plain_name("///") == "model"


@pytest.mark.parametrize(("name", "labels"), [("Bad Name", ["a", "b"]), ("good", ["a", "a"])])
def test_impossible_cards(name: str, labels: list[str]) -> None:
    with pytest.raises(ConfigError, match="--name or --labels"):
        draft(
            SourceFacts(name=name, version="1", description="", values="logits", origin={}),
            labels,
            FREE,
            SPEC,
            "somewhere",
        )
