"""The faster ways to compute are the same function of the same parameters."""

import copy

import pytest
import torch
from torch import nn

from maskery.core.errors import ConfigError
from maskery.training.networks.base import Net
from maskery.training.networks.build import build_network
from maskery.training.precision import choose_device, mixed, ready_for_mixed_cpu
from maskery.training.recipe import NetworkSpec


def fresh() -> Net:
    torch.manual_seed(0)
    net = build_network(NetworkSpec(name="light_decoder", width=16, imagenet=True, dropout=0), 3).train()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return net


def gradients(net: Net, x: torch.Tensor, bfloat: bool) -> dict[str, torch.Tensor]:
    with mixed(torch.device("cpu"), bfloat):
        out = net(x)
    net.zero_grad()
    out.float().square().mean().backward()
    return {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}


def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    """Of all gradients together, relative."""
    assert a.keys() == b.keys()
    apart = sum(float((a[k] - b[k]).square().sum()) for k in a)
    return float((apart / sum(float(v.square().sum()) for v in a.values())) ** 0.5)


def test_mixed_precision_is_near_and_its_depthwise_gradients_are_float32() -> None:
    net, x = fresh(), torch.randn(2, 3, 64, 96)
    quick = copy.deepcopy(net)
    ready_for_mixed_cpu(quick)
    exact, near = gradients(net, x, False), gradients(quick, x, True)
    assert quick.state_dict().keys() == net.state_dict().keys()
    assert 0 < distance(exact, near) < 0.2
    assert all(g.dtype == torch.float32 for g in near.values())


def test_devices() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for wrong in ("gpu0", "meta"):
        with pytest.raises(ConfigError, match="device"):
            choose_device(wrong)
