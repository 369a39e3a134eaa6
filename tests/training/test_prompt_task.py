"""A whole run of ``prompt`` on toys: it learns, resumes to the same weights, and is exported with proof."""

from pathlib import Path

import msgspec
import numpy as np
import onnxruntime as ort
import pytest
import torch

import maskery
from maskery.core.errors import ConfigError
from maskery.models.card_toml import load_card
from maskery.training import checkpoint
from maskery.training.loop import TrainingRun
from maskery.training.prompt_export import MAPS, MASKS, PROMPTS, SCORES
from maskery.training.publish import publish
from maskery.training.recipe import load_recipe
from tests.training.prompt_toys import CHANNELS, write_recipe


@pytest.fixture(scope="module")
def recipe_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipe(tmp_path_factory.mktemp("prompt"), epochs=2)


def opened(path: Path, out: Path) -> TrainingRun:
    recipe = load_recipe(path)
    return TrainingRun(recipe, Path(recipe.data.root), out, lambda text: None, "cpu")


@pytest.fixture(scope="module")
def finished(recipe_path: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    run = opened(recipe_path, tmp_path_factory.mktemp("run"))
    run.train(validate_every=100)
    return run


def test_it_learns_to_cut_out_what_is_asked_for(finished: TrainingRun, recipe_path: Path, tmp_path: Path) -> None:
    fresh = opened(recipe_path, tmp_path)
    before = fresh.job.validate(fresh.net.eval(), fresh.prepare)
    after = finished.job.validate(finished.averaged(4), finished.prepare)
    assert set(after) == {"iou", "box", "click1", "click2", "click3"}
    assert after["iou"] > max(0.6, before["iou"] + 0.1)
    assert finished.job.sheet(finished.averaged(4), finished.prepare).width > 200


def test_a_resumed_run_ends_with_the_same_weights(finished: TrainingRun, recipe_path: Path, tmp_path: Path) -> None:
    short = opened(recipe_path, tmp_path)
    short.recipe = msgspec.structs.replace(
        short.recipe, optimiser=msgspec.structs.replace(short.recipe.optimiser, epochs=1)
    )
    short.train(validate_every=100)
    state = torch.load(short.checkpoint_path, weights_only=True)
    state["recipe"] = finished.state()["recipe"]
    checkpoint.save(short.checkpoint_path, state)
    rest = opened(recipe_path, tmp_path)
    assert rest.resume()
    rest.train(validate_every=100)
    for key, value in finished.net.state_dict().items():
        assert torch.equal(rest.net.state_dict()[key], value), key


def test_its_batch_norms_count_what_they_see_and_the_generator_stays(finished: TrainingRun) -> None:
    generator = torch.get_rng_state()
    net = finished.averaged(4)
    assert torch.equal(torch.get_rng_state(), generator)
    assert any(m.num_batches_tracked for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d))


@pytest.fixture(scope="module")
def published(finished: TrainingRun, recipe_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the model, which was measured when it was made."""
    folder = tmp_path_factory.mktemp("model")
    publish(finished, recipe_path, folder)
    return folder


def test_a_run_becomes_a_model_with_its_proof_and_its_numbers(published: Path) -> None:
    card = load_card(published / "model.toml")
    files = ["decoder.onnx", "encoder.onnx", "model.toml", "recipe.toml"]
    assert sorted(path.name for path in published.iterdir()) == files
    assert float(card.training["parity_torch_onnx"]) < 1e-3
    assert card.task == "prompt"
    assert card.quality is not None
    assert card.quality.prompts is not None
    assert card.quality.prompts.objects == 6
    assert card.quality.prompts.iou_box > 0.5
    picture = np.full((80, 96, 3), 100, np.uint8)
    picture[20:50, 30:60] = 240
    assert maskery.load(f"{published}/").session(picture).click(45, 35).class_map.any()


def test_one_window_serves_many_prompts_and_many_windows_one_each(published: Path) -> None:
    encode, decode = (
        ort.InferenceSession(str(published / f"{name}.onnx"), providers=["CPUExecutionProvider"])
        for name in ("encoder", "decoder")
    )
    assert (published / "decoder.onnx").stat().st_size < 3_000_000
    images = np.random.default_rng(0).normal(0, 0.5, (3, 3, 64, 96)).astype(np.float32)
    prompts = np.zeros((3, 4, 16, 24), np.float32)
    prompts[:, 2, 4:12, 6:18] = 1
    maps = dict(zip(MAPS, encode.run(list(MAPS), {"image": images}), strict=True))
    assert [m.shape[1] for m in maps.values()] == [*CHANNELS[:3], 2 * CHANNELS[3]]
    masks, scores = decode.run([MASKS, SCORES], maps | {PROMPTS: prompts})
    assert masks.shape == (3, 3, 32, 48)
    assert scores.shape == (3, 3)
    assert 0 <= scores.min() <= scores.max() <= 1
    first = {name: one[:1] for name, one in maps.items()}
    together, _ = decode.run([MASKS, SCORES], first | {PROMPTS: prompts})
    np.testing.assert_allclose(together, np.repeat(masks[:1], 3, 0), atol=1e-3)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('map8 = ["c"]', 'map8 = ["e"]', "no tensor 'e'"),
        ('map8 = ["c"]', 'map8 = ["b"]', "at the strides"),
        ("least_area = 50", "least_area = 5000", "no object of more than 5000 pixels"),
        ("scale = [1.2, 2.0]", "scale = [0.8, 2.0]", "at least as large as the object"),
        ("rate = 1e-2", "rate = 1e-2\nname = 'light'", "light"),
        ("held_out = 4", "held_out = 1", "held_out"),
    ],
)
def test_recipes_that_cannot_be(recipe_path: Path, tmp_path: Path, old: str, new: str, reason: str) -> None:
    text = recipe_path.read_text()
    assert old in text
    changed = tmp_path / "changed.toml"
    changed.write_text(text.replace(old, new))
    with pytest.raises(Exception, match=reason):
        opened(changed, tmp_path / "run")


def test_prompts_are_for_a_prompt_decoder_only(recipe: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed.toml"
    changed.write_text(recipe.read_text() + "\n[prompts]\nrounds = 2\n")
    with pytest.raises(ConfigError, match="are for a prompt_decoder"):
        load_recipe(changed)
