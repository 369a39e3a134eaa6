"""``maskery segment --point --box``: what is pointed at, in every format of masks."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from maskery.cli.main import cli
from maskery.core.errors import BadRequest
from maskery.encode.registry import ENCODERS, find
from maskery.inference.prompts.prompt_input import prompt_of
from maskery.inference.tasks.registry import task_of
from maskery.models.segmenter import Segmenter, load
from tests.inference.prompts.toy_prompt import scene, toy_card, write_toy

THING = (40, 20, 80, 60)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def segmenter(toy: Path) -> Segmenter:
    return load(str(toy))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(scene((120, 90), THING)).save(tmp_path / "thing.png")
    return tmp_path / "thing.png"


def segment(*words: object) -> bytes:
    done = CliRunner().invoke(cli, ["segment", *map(str, words)], standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.stdout_bytes


def test_points_and_a_box_make_a_mask(toy: Path, picture: Path) -> None:
    segment(picture, "--model", toy, "--point", "60,40", "-o", picture.parent / "mask.png")
    mask = np.asarray(Image.open(picture.parent / "mask.png"))
    assert mask.shape == (90, 120)
    assert mask[40, 60] == 1
    assert mask.sum() == pytest.approx(1600, rel=0.1)
    segment(
        picture, "--model", toy, "--point", "60,40", "--point", "45,25,-", "--box", "80,60,40,20", "-o",
        picture.parent / "corrected.png",
    )  # fmt: skip
    corrected = np.asarray(Image.open(picture.parent / "corrected.png"))
    assert corrected[40, 60] == 1
    assert corrected[25, 45] == 0


def test_candidates_are_listed_best_first(toy: Path, picture: Path) -> None:
    found = json.loads(segment(picture, "--model", toy, "--point", "60,40", "--candidates", "3", "--format", "json"))
    assert [one["score"] for one in found["objects"]] == pytest.approx([0.9, 0.5])
    assert found["task"] == "prompt"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--point", "60"), "The point is '60'"),
        (("--point", "600,40"), "outside of 120 x 90"),
        (("--point", "60,40,-"), "No point is on the object"),
        (("--box", "1,2,3"), "4 finite numbers"),
        (("--point", "60,40", "--candidates", "4"), "candidates is 4"),
        (("--candidates", "2"), "--candidates is for"),
        (("--point", "60,40", "--classes", "object"), "no mask to restrict"),
        (("--point", "60,40") * 65, "65 points"),
    ],
)
def test_what_points_at_nothing_is_refused(toy: Path, picture: Path, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadRequest, match=said.replace("(", r"\(")):
        segment(picture, "--model", toy, *words)


def test_other_models_take_no_points(picture: Path) -> None:
    with pytest.raises(BadRequest, match="takes no points"):
        segment(picture, "--model", "everyday", "--point", "60,40")


FORMATS = [name for name, encoder in ENCODERS.items() if encoder.fits(task_of(toy_card()).results or object)]


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_of_masks_takes_it(segmenter: Segmenter, format: str) -> None:
    assert find(format, task_of(segmenter.card)).name == format
    answer = segmenter.answer(scene((120, 90), (43, 23, 81, 61)), format, prompt=prompt_of([(60, 40)]))
    nothing = segmenter.answer(scene((120, 90), (43, 23, 81, 61)), format, prompt=prompt_of(box=(0, 0, 9, 9)))
    assert answer != nothing


def test_the_formats_are_those_of_masks_and_of_objects() -> None:
    assert {"mask", "overlay", "cutout", "coco", "coco-rle", "json", "svg", "geojson", "yolo", "npy"} <= set(FORMATS)
