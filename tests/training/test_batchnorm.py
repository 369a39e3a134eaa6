"""The averaged network's batch norms fit its own weights; the run's own stay as they are."""

from pathlib import Path

import pytest
import torch
from torch import nn

from maskery.training.batchnorm import batches_of
from maskery.training.loop import TrainingRun
from maskery.training.recipe import load_recipe


@pytest.fixture
def run(recipe: Path, tmp_path: Path) -> TrainingRun:
    wanted = load_recipe(recipe)
    return TrainingRun(wanted, Path(wanted.data.root), tmp_path, lambda text: None, "cpu")


def norm_of(net: nn.Module, name: str) -> nn.BatchNorm2d:
    norm = net.get_submodule(name)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm


def test_mean_and_variance_are_those_of_what_the_norm_gets(run: TrainingRun) -> None:
    stale = norm_of(run.average.module, "lateral32.1")
    assert stale.running_var is not None
    stale.running_var.fill_(1e6)
    net = run.averaged()

    seen: list[torch.Tensor] = []
    norm_of(net, "lateral32.1").register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    stream, size = run.job.stream, run.recipe.optimiser.batch
    stream.start_epoch(run.recipe.optimiser.total_epochs)
    net.backbone.train()  # as when it was counted: on the batch's own statistics, all but the frozen part
    for layer in net.backbone.early_layers(run.recipe.network.frozen_blocks):
        layer.eval()
    with torch.inference_mode():
        for batch in range(batches_of(stream, run.recipe)):
            net(run.prepare(torch.stack([stream[batch * size + i][0] for i in range(size)])))

    norm = norm_of(net, "lateral32.1")
    means, variances = ([f(x, (0, 2, 3)) for x in seen] for f in (torch.mean, torch.var))
    torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(norm.running_var, torch.stack(variances).mean(0), rtol=1e-4, atol=1e-4)
    assert (norm.momentum, norm.training) == (0.1, False)


def test_the_run_goes_on_with_what_it_had(run: TrainingRun) -> None:
    before = {key: value.clone() for key, value in run.average.module.state_dict().items()}
    generator = torch.get_rng_state()
    run.averaged()
    after = run.average.module.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert torch.equal(torch.get_rng_state(), generator)


def test_frozen_norms_stay(run: TrainingRun) -> None:
    net = run.averaged()
    for layer in net.backbone.early_layers(run.recipe.network.frozen_blocks):
        for norm in (module for module in layer.modules() if isinstance(module, nn.BatchNorm2d)):
            assert norm.num_batches_tracked == 0
    assert norm_of(net, "lateral32.1").num_batches_tracked == batches_of(run.job.stream, run.recipe)


def test_a_classifier_looks_at_more_pictures(run: TrainingRun, classifier: Path) -> None:
    class Long(list[int]):
        def __len__(self) -> int:
            return 100_000

    masks, pictures = (batches_of(Long(), recipe) for recipe in (run.recipe, load_recipe(classifier)))  # type: ignore[arg-type]
    assert (masks, pictures) == (64, 1024)
