"""The label sets and their palettes agree with each other and with the published tables."""

import pytest

from maskery.core.labels import CAMVID, CELEBAMASK, CITYSCAPES, LABEL_SETS, PALETTES, VOC, palette_of, voc_palette


@pytest.mark.parametrize(("name", "count"), [("voc", 21), ("cityscapes", 19), ("camvid", 11), ("celebamask", 19)])
def test_a_set_has_distinct_names_and_colours(name: str, count: int) -> None:
    labels = LABEL_SETS[name]
    palette = palette_of(labels)
    assert len(set(labels)) == len(labels) == count
    assert len(set(palette)) == len(palette) == count


def test_every_palette_is_of_a_set() -> None:
    assert {name: len(colours) for name, colours in PALETTES.items()} == {
        name: len(LABEL_SETS[name]) for name in PALETTES
    }


def test_palettes_are_the_usual_ones() -> None:
    assert palette_of(CITYSCAPES)[CITYSCAPES.index("car")] == (0, 0, 142)
    assert palette_of(CAMVID)[CAMVID.index("car")] == (64, 0, 128)
    assert palette_of(CELEBAMASK)[CELEBAMASK.index("hair")] == (0, 0, 204)
    assert palette_of(VOC) == voc_palette(21)
    assert palette_of(("cat", "dog")) == [(0, 0, 0), (128, 0, 0)]
