"""A network filled from an exported model is that model."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from maskery.core.errors import ConfigError, TrainingError
from maskery.models.card_toml import load_card
from maskery.models.catalog import builtin
from maskery.training.finetune import norms_behind, start_from
from maskery.training.loop import TrainingRun
from maskery.training.networks.build import build_network
from maskery.training.publish import publish
from maskery.training.recipe import NetworkSpec, load_recipe

EVERYDAY = builtin()["everyday"] / "everyday.onnx"


def test_the_built_in_model_goes_on_where_it_stopped() -> None:
    net = build_network(NetworkSpec(name="light_decoder", imagenet=False), 21)
    assert start_from(net, EVERYDAY) == []
    image = np.random.default_rng(0).normal(0, 0.5, (1, 3, 128, 96)).astype(np.float32)
    session = ort.InferenceSession(EVERYDAY, providers=["CPUExecutionProvider"])
    theirs = session.run(None, {"image": image})[0]
    with torch.inference_mode():
        ours = net.eval()(torch.from_numpy(image)).numpy()
    assert np.abs(ours - theirs).max() < 1e-3 * np.abs(theirs).max()


def test_other_classes_get_a_new_last_layer_and_are_told() -> None:
    net = build_network(NetworkSpec(name="light_decoder", imagenet=False), 3)
    fresh = net.classify.weight.clone()  # type: ignore[union-attr, operator]
    assert sorted(start_from(net, EVERYDAY)) == ["classify.bias", "classify.weight"]
    assert torch.equal(net.classify.weight, fresh)  # type: ignore[union-attr, arg-type]


def test_another_network_is_refused(tmp_path: Path) -> None:
    net = build_network(NetworkSpec(name="deeplabv3plus", imagenet=False, width=16), 21)
    with pytest.raises(ConfigError, match="no weights for"):
        start_from(net, EVERYDAY)
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(ConfigError, match="not a readable ONNX file"):
        start_from(net, tmp_path / "broken.onnx")


def test_which_norm_stands_behind_which_convolution() -> None:
    pairs = norms_behind(build_network(NetworkSpec(name="light_decoder", imagenet=False, width=16), 3))
    assert pairs["backbone._conv_stem"] == "backbone._bn0"
    assert pairs["backbone._blocks.2._depthwise_conv"] == "backbone._blocks.2._bn1"
    assert pairs["lateral8.0"] == "lateral8.1"
    assert "classify" not in pairs


def test_the_result_is_a_blend_of_the_start_and_the_trained_weights(recipe: Path, tmp_path: Path) -> None:
    text = recipe.read_text().replace("width = 16\n", 'width = 128\nstart = "everyday"\nstart_share = 0.75\n')
    (tmp_path / "blended.toml").write_text(text)
    wanted = load_recipe(tmp_path / "blended.toml")
    run = TrainingRun(wanted, Path(wanted.data.root), tmp_path / "run", lambda text: None, "cpu")
    for weights in run.average.module.parameters():
        weights.data += 1.0
    result, origin = run.averaged().state_dict(), run.origin
    for name, trained in run.average.module.named_parameters():
        torch.testing.assert_close(result[name], 0.75 * origin[name] + 0.25 * trained.data)


@pytest.mark.parametrize("added", ["start_share = 0.5", 'start = "everyday"\nstart_share = 1.0'])
def test_a_share_of_nothing_or_of_all_is_refused(recipe: Path, tmp_path: Path, added: str) -> None:
    (tmp_path / "wrong.toml").write_text(recipe.read_text().replace("width = 16\n", f"width = 16\n{added}\n"))
    with pytest.raises(ConfigError, match="start_share"):
        load_recipe(tmp_path / "wrong.toml")


@pytest.mark.slow
def test_the_card_says_where_it_started_and_how_long_that_took(recipe: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(recipe.read_text().replace("width = 16\n", 'width = 128\nstart = "everyday"\n'))
    wanted = load_recipe(path)
    run = TrainingRun(wanted, Path(wanted.data.root), tmp_path / "out", lambda text: None, "cpu")
    facts = publish(run, path, tmp_path / "model").training
    made = load_card(EVERYDAY.parent / "model.toml").training
    assert str(facts["start"]).startswith("everyday 1.0.0, sha256 ")
    assert facts["start_minutes"] == pytest.approx(float(made["minutes"]) + float(made.get("start_minutes", 0)))
    assert facts["minutes"] == 0


def test_a_run_whose_start_has_changed_is_not_resumed(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(recipe.read_text().replace("width = 16\n", 'width = 128\nstart = "everyday"\n'))
    wanted = load_recipe(tmp_path / "r.toml")
    run = TrainingRun(wanted, Path(wanted.data.root), tmp_path, lambda text: None, "cpu")
    torch.save(run.state(), run.checkpoint_path)
    assert run.resume()
    torch.save(run.state() | {"start": "0" * 64}, run.checkpoint_path)
    with pytest.raises(TrainingError, match="started from another everyday"):
        run.resume()
