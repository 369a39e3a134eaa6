"""The label sets and their palettes agree with each other and with the published tables."""

import pytest

from maskery.core.labels import (
    CAMVID,
    CELEBAMASK,
    CITYSCAPES,
    LABEL_SETS,
    PALETTES,
    VOC,
    fault_of_names,
    names_among,
    palette_of,
    voc_palette,
)


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


@pytest.mark.parametrize(
    ("given", "known", "expected"),
    [
        (("disc", "round"), ("box", "disc, round"), ("disc, round",)),
        (("disc", "round"), ("disc", "round", "disc, round"), ("disc", "round")),
        (("disc, round",), ("disc", "round", "disc, round"), ("disc, round",)),
        (("a", "b", "c", "box"), ("a,b ,c", "a,b", "box"), ("a,b ,c", "box")),
        (("cat",), (" cat", "dog"), (" cat",)),
        (("dsic", "round", "box"), ("disc, round", "box"), ("dsic", "round", "box")),
        ((), ("a",), ()),
    ],
)
def test_names_that_have_commas_are_put_together_again(
    given: tuple[str, ...], known: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert names_among(given, known) == expected


def test_what_is_wrong_with_names() -> None:
    assert fault_of_names(["a", "A", "a b"]) == ""
    assert fault_of_names([]) == "There is no class."
    assert fault_of_names(["a", "\u3000"]) == "The name of class 1 is blank."
    assert fault_of_names(["a", "b", "a"]) == "Two classes are called 'a'."
