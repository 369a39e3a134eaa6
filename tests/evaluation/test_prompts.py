"""A toy that cuts out what is bright is asked for bright squares: its numbers can be foreseen."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from maskery.cli.main import cli
from maskery.core import toml
from maskery.core.errors import BadRequest
from maskery.evaluation.prompts import CURVE, MOST, PromptMeasurement, PromptOptions, PromptScores, measure_prompts
from maskery.inference.prompts.prompt_model import open_prompt_model
from maskery.models.card_toml import card_text, parse_card
from tests.inference.prompts.toy_prompt import scene, toy_card, write_toy

SIZE_WH = (96, 96)
ONE, OTHER = (8, 8, 56, 56), (60, 60, 92, 92)


def write(root: Path, name: str, squares: list[tuple[int, int, int, int]], least: int = 0) -> None:
    """A picture of bright squares, of which the first is an object; ``least``: rows at the bottom not judged."""
    for kind in ("images", "masks"):
        (root / kind / "val").mkdir(parents=True, exist_ok=True)
    pixels = np.max([scene(SIZE_WH, square) for square in squares], 0)
    mask = (scene(SIZE_WH, squares[0])[..., 0] > 0).astype(np.uint8)
    mask[mask.shape[0] - least :] = 255
    Image.fromarray(pixels).save(root / "images" / "val" / f"{name}.png")
    Image.fromarray(mask).save(root / "masks" / "val" / f"{name}.png")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy"))


def measured(model_folder: Path, root: Path, **settings: int) -> PromptMeasurement:
    files = [model_folder / "encoder.onnx", model_folder / "decoder.onnx"]
    return measure_prompts(open_prompt_model(toy_card(), files), root, "val", PromptOptions(**settings))  # type: ignore[arg-type]


def test_an_object_that_is_found_at_once(model_folder: Path, tmp_path: Path) -> None:
    write(tmp_path, "a", [ONE])
    found = measured(model_folder, tmp_path)
    means = found.means()
    assert means["iou_box"] > 0.9
    assert means["iou_1_click"] > 0.9
    assert (means["noc_85"], means["noc_90"]) == (1, 1)
    assert (found.pictures, len(found.scores.box)) == (1, 1)


def test_an_object_that_no_click_parts_from_another(model_folder: Path, tmp_path: Path) -> None:
    write(tmp_path, "a", [ONE, OTHER])
    found = measured(model_folder, tmp_path, most=6)
    assert found.means()["iou_box"] > 0.9
    curve = found.scores.clicks[0]
    assert curve[0] == pytest.approx(48**2 / (48**2 + 32**2), abs=0.05)
    assert curve[1] > curve[0]  # a click takes its disc away from the other
    first, second = found.scores.needed[0].tolist()
    assert 2 < first <= second < 6
    assert len(curve) == CURVE
    assert measured(model_folder, tmp_path, most=2).scores.needed[0].tolist() == [2, 2]


def test_pixels_that_are_not_judged_and_small_objects_do_not_count(model_folder: Path, tmp_path: Path) -> None:
    write(tmp_path, "a", [ONE, (60, 76, 92, 92)], least=20)
    write(tmp_path, "b", [(8, 8, 40, 40)])
    found = measured(model_folder, tmp_path)
    assert found.pictures == 1
    assert found.means()["iou_1_click"] > 0.9
    assert measured(model_folder, tmp_path, least_area=100).pictures == 2


def test_intervals_hold_their_means_and_are_narrow_where_all_is_alike() -> None:
    rng = np.random.default_rng(0)
    wide = PromptScores(rng.random(50), rng.random((50, CURVE)), np.full((50, 2), float(MOST)))
    for name, (low, high) in wide.intervals().items():
        mean = float(wide.columns()[name].mean())
        assert low <= mean <= high
        assert (high - low < 1e-9) == name.startswith("noc")
    assert wide.intervals() == wide.intervals()


def test_a_card_keeps_the_numbers(model_folder: Path, tmp_path: Path) -> None:
    write(tmp_path, "a", [ONE])
    quality = measured(model_folder, tmp_path).for_card("squares")
    (tmp_path / "model.toml").write_text(card_text(msgspec.structs.replace(toy_card(), quality=quality)))
    read = parse_card(toml.read_raw(tmp_path / "model.toml"), "card").quality
    assert read is not None
    assert read == quality
    assert read.prompts is not None
    assert len(read.prompts.iou_clicks) == CURVE
    assert set(read.prompts.intervals) >= {"iou_box", "noc_90"}


def test_the_command_prints_them(model_folder: Path, tmp_path: Path) -> None:
    write(tmp_path, "a", [ONE])
    command = ["evaluate", f"{model_folder}/", str(tmp_path)]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    assert "noc_85" in done.stdout
    assert "1 objects of 1 pictures" in done.stdout
    plain = json.loads(CliRunner().invoke(cli, [*command, "--json"]).stdout)
    assert plain["objects"] == 1
    assert plain["iou_box"] > 0.9
    refused = CliRunner().invoke(cli, [*command, "--boundary", "3"], standalone_mode=False)
    assert isinstance(refused.exception, BadRequest)
    assert "--boundary" in str(refused.exception)
    other = CliRunner().invoke(cli, ["evaluate", "everyday", str(tmp_path), "--least-area", "3"], standalone_mode=False)
    assert isinstance(other.exception, BadRequest)
