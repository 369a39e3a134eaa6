"""The encoder of ``prompt``: maps cut out of another model's network, by ONNX Runtime, without gradients."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, shape_inference, utils
from torch import Tensor

from maskery.core.card import ModelCard
from maskery.core.errors import ConfigError
from maskery.models.importers.torch_onnx import forget_origin, session_of
from maskery.training.networks.base import Backbone

IMAGE = "image"
PROBE = (1, 3, 64, 96)


def cut_encoder(model: onnx.ModelProto, maps: Mapping[str, Sequence[str]]) -> onnx.ModelProto:
    """The part of ``model`` that leads from its picture to ``maps``: name of each -> the tensors it is made of.

    Several tensors of one map are concatenated. Weights and free sizes stay as they are. Raises ``ConfigError`` for a
    tensor that the network does not have.
    """
    model = shape_inference.infer_shapes(model)
    known = {value.name: value for value in model.graph.value_info}
    names = list(dict.fromkeys(tensor for tensors in maps.values() for tensor in tensors))
    for tensor in names:
        if tensor not in known:
            raise ConfigError(f"The encoder has no tensor {tensor!r}.", "Correct network.maps.")
    cut = utils.Extractor(model).extract_model([model.graph.input[0].name], names)
    del cut.graph.output[:]
    del cut.graph.value_info[:]
    for name, tensors in maps.items():
        one, several = helper.make_node("Identity", tensors[:1], [name]), len(tensors) > 1
        cut.graph.node.append(helper.make_node("Concat", list(tensors), [name], axis=1) if several else one)
        channels = sum(known[tensor].type.tensor_type.shape.dim[1].dim_value for tensor in tensors)
        shape = ["batch", channels, f"height_{name}", f"width_{name}"]
        cut.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    forget_origin(cut)
    onnx.checker.check_model(cut)
    return cut


class FrozenEncoder(Backbone):
    """Gives the four maps of a cut network; it has no parameters, and copies of it share one session.

    ``model``: of ``cut_encoder``; ``card``: of the model that it was cut out of, which says how pixels are normalised.
    """

    def __init__(self, model: onnx.ModelProto, card: ModelCard) -> None:
        super().__init__()
        self.model, self.session = model, session_of(model)
        self.input = self.session.get_inputs()[0].name
        self.pixel_mean, self.pixel_std = card.input.mean, card.input.std
        maps = self.session.run(None, {self.input: np.zeros(PROBE, np.float32)})
        self.channels = tuple(int(one.shape[1]) for one in maps)
        self.strides = tuple(PROBE[2] // int(one.shape[2]) for one in maps)
        self.stride = max(self.strides)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) normalised float32 -> the maps, on the device of ``x``, channels last."""
        pixels = np.ascontiguousarray(x.detach().cpu().numpy())
        maps = self.session.run(None, {self.input: pixels})
        return [torch.from_numpy(one).to(x.device, memory_format=torch.channels_last) for one in maps]

    def early_layers(self, blocks: int) -> Sequence[torch.nn.Module]:
        """None: all of it is frozen."""
        return []

    def __deepcopy__(self, memo: dict[int, Any]) -> "FrozenEncoder":
        return self


def open_encoder(path: Path, card: ModelCard, maps: Mapping[str, Sequence[str]]) -> FrozenEncoder:
    """The encoder cut out of the network at ``path``. Raises ``ConfigError``."""
    try:
        model = onnx.load(path)
    except Exception as error:
        raise ConfigError(f"{path} is not a readable ONNX file: {error}.", "Give an encoder in ONNX.") from error
    return FrozenEncoder(cut_encoder(model, maps), card)
