from pathlib import Path

import numpy as np
import pytest

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest, DataError
from maskery.inference.pipeline import load_model
from maskery.models.quantisation.calibration import AT_LEAST, choose
from tests.models.quantisation import squares


@pytest.fixture
def card(tmp_path: Path) -> ModelCard:
    return squares.model(tmp_path / "m").card


def test_pictures_are_spread_over_the_split(data: Path, card: ModelCard) -> None:
    chosen = choose(data, "train", card, "auto", 8)
    assert len(chosen) == 8
    assert len(set(chosen.indices)) == 8
    assert chosen.where == f"{data.name} train"
    everything = choose(data, "train", card, "auto", 100)
    assert len(everything) == 12
    assert everything.indices == list(range(12))
    assert chosen.indices == [0, 1, 3, 4, 6, 7, 9, 10]


def test_a_folder_of_pictures_will_do(data: Path, card: ModelCard) -> None:
    chosen = choose(data / "images" / "train", "anything", card, "auto", 9)
    assert (len(chosen), chosen.where) == (9, "train")


def test_tensors_are_those_of_the_road(data: Path, tmp_path: Path) -> None:
    located = squares.model(tmp_path / "m")
    model = load_model(located.card, located.path)
    tensors = list(choose(data, "train", located.card, "auto", 8).tensors(model))
    assert [t.shape for t in tensors] == [(1, 3, 48, 64)] * 8
    assert np.array_equal(tensors[0][0].transpose(1, 2, 0), squares.picture(0)[0])


def test_too_few_and_none(data: Path, card: ModelCard, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"val has 4 pictures; fewer than {AT_LEAST} say too little. Give more"):
        choose(data, "val", card, "auto", 8)
    with pytest.raises(DataError, match="form of no known data set"):
        choose(tmp_path / "m", "train", card, "auto", 8)
    with pytest.raises(BadRequest, match="is not a folder"):
        choose(tmp_path / "nowhere", "train", card, "auto", 8)
