"""One contract for every network: shapes at odd sizes, gradients everywhere, the same answer twice."""

import pytest
import torch

from maskery.training.nets.base import Net
from maskery.training.nets.build import build_network
from maskery.training.nets.efficientnet_lite import EfficientNetLite0
from maskery.training.recipe import Network

CLASSES = 5
SIZES = [(64, 64), (97, 65), (33, 40)]
NETWORKS = [
    Network(name="light_decoder", width=16, imagenet=False),
    Network(name="deeplabv3plus", width=16, imagenet=False),
    Network(name="deeplabv3plus", width=16, imagenet=False, last_stage=5),
    Network(name="classifier", imagenet=False, last_stage=7),
]


def _name(network: Network) -> str:
    return f"{network.name}-{network.backbone}-{network.last_stage}"


def fresh(network: Network) -> Net:
    torch.manual_seed(0)
    return build_network(network, CLASSES)


@pytest.mark.parametrize("network", NETWORKS, ids=_name)
def test_shapes_at_odd_sizes_and_the_same_answer_twice(network: Network) -> None:
    net = fresh(network).eval()
    with torch.inference_mode():
        for batch, (height, width) in enumerate(SIZES, start=1):
            image = torch.randn(batch, 3, height, width)
            logits = net(image)
            assert torch.equal(logits, net(image))
            assert logits.shape[:2] == (batch, CLASSES)
            if network.name == "classifier":
                assert logits.ndim == 2
                continue
            assert abs(logits.shape[2] - height / net.stride) <= 1
            assert abs(logits.shape[3] - width / net.stride) <= 1


@pytest.mark.parametrize("network", NETWORKS, ids=_name)
def test_gradients_reach_every_parameter(network: Network) -> None:
    net = fresh(network).train()
    net(torch.randn(2, 3, 97, 65)).square().mean().backward()
    missing = [name for name, p in net.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert missing == []
    assert all(p.grad.abs().max() > 0 for name, p in net.named_parameters() if name.startswith("classify"))


def test_maps_of_the_backbone_have_the_channels_and_strides_it_says() -> None:
    image = torch.randn(1, 3, 64, 96)
    for last_stage, output_stride, strides in ((6, 32, (4, 8, 16, 32)), (7, 16, (4, 8, 16, 16)), (5, 32, (4, 8, 16))):
        backbone = EfficientNetLite0(last_stage, output_stride).eval()
        maps = backbone(image)
        assert tuple(m.shape[1] for m in maps) == backbone.channels
        assert tuple(64 // m.shape[2] for m in maps) == strides
        assert backbone.stride == strides[-1]


def test_a_dilated_backbone_computes_the_strided_one_at_more_places() -> None:
    """Same weights; away from the padding every second position of the dilated map is the strided map."""
    torch.manual_seed(0)
    strided, dilated = EfficientNetLite0().eval(), EfficientNetLite0(output_stride=16).eval()
    dilated.load_state_dict(strided.state_dict())
    image = torch.randn(1, 3, 512, 512)
    with torch.inference_mode():
        few, many = strided(image)[-1], dilated(image)[-1]
    assert torch.allclose(few[..., 7:-7, 7:-7], many[..., 1::2, 1::2][..., 7:-7, 7:-7], atol=1e-5)
