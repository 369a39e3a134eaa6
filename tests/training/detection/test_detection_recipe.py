"""Recipes of detectors: the one of this repository, and what is refused."""

from pathlib import Path

import pytest

from maskery.core.errors import ConfigError
from maskery.core.labels import VOC
from maskery.training.detection.detection_recipe import is_detection, load_detection_recipe

RECIPES = Path(__file__).parents[3] / "recipes"


def test_the_recipe_of_objects_has_the_things_of_voc() -> None:
    assert is_detection(RECIPES / "objects.toml")
    assert load_detection_recipe(RECIPES / "objects.toml").data.labels == list(VOC[1:])
    assert not is_detection(RECIPES / "everyday.toml")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("side = 320", "side = 300", "data.side is 300"),
        ("views = 3", "views = 0", "views, batch or epochs"),
        ("zoom = [0.6, 1.6]", "zoom = [1.6, 0.6]", "data.zoom"),
        ("rate = 3e-3", "rate = 0.0", "rate, ema, clip or fall"),
        ("times = 2.0", "times = -2.0", "negative times"),
        ('"aeroplane", "bicycle"', '"bicycle", "bicycle"', "distinct"),
        ("views = 3", "view = 3", "unknown key"),
    ],
)
def test_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    text = (RECIPES / "objects.toml").read_text()
    assert old in text
    (tmp_path / "recipe.toml").write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=words):
        load_detection_recipe(tmp_path / "recipe.toml")
