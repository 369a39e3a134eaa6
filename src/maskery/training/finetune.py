"""Weights of a model that Maskery trained -> a network that is trained on: fine-tuning from a served model.

The exported file has its batch norms melted into the convolutions. Here each convolution gets what the file has, and
the norm behind it only adds the bias: the same function, as long as norms keep their statistics while training.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from maskery.core.errors import ConfigError
from maskery.training.networks.base import Net

Tensors = dict[str, NDArray[np.float32]]


def start_from(net: Net, path: Path) -> list[str]:
    """Fill ``net`` in place from the ONNX file at ``path``; names the parameters that have another shape there.

    Those stay as they are: the last layer, where the classes are others. Raises ``ConfigError`` when the file is not a
    network of this kind.
    """
    try:
        model = onnx.load(path)
    except Exception as error:
        raise ConfigError(f"{path} is not a readable ONNX file: {error}.", "Start from a model in ONNX.") from error
    stored = _tensors(model)
    norms = norms_behind(net)
    state = net.state_dict()
    found: dict[str, Tensor] = {}
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            norm = norms.get(name)
            found |= _of_convolution(name, norm, stored, _eps(net, norm))
    for key in state:
        if key in stored and key not in found:
            found[key] = torch.from_numpy(stored[key].copy())
    missing = [key for key in state if key not in found and not key.endswith("num_batches_tracked")]
    if missing:
        raise ConfigError(
            f"{path} has no weights for {len(missing)} parameters of this network, the first is {missing[0]}.",
            "Give the recipe the network of the model that it starts from.",
        )
    other = [key for key, value in found.items() if value.shape != state[key].shape]
    net.load_state_dict({key: value for key, value in found.items() if key not in other}, strict=False)
    return other


def blend(net: Net, origin: Mapping[str, Tensor], share: float) -> None:
    """Weights of ``net``, in place: ``share`` times those of ``origin`` (its state before training) and the rest of
    its own. Between a model and what fine-tuning made of it the loss is low all along (arXiv 2109.01903).
    """
    if share == 0:
        return
    for key, own in net.state_dict().items():
        if own.is_floating_point():
            own.lerp_(origin[key].to(own.device), share)


def _tensors(model: onnx.ModelProto) -> Tensors:
    """The constants by the parameters' names, float32."""
    return {
        tensor.name.removesuffix(".half"): numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in model.graph.initializer
    }


def _of_convolution(name: str, norm: str | None, stored: Tensors, eps: float) -> dict[str, Tensor]:
    """What a layer, and the norm behind it, get: nothing where the file does not have it."""
    weight = stored.get(f"{name}.weight")
    if weight is None:
        return {}
    found = {f"{name}.weight": torch.from_numpy(weight.copy())}
    melted = stored.get(f"{name}.weight_bias")
    if norm is not None and melted is not None:
        bias = torch.from_numpy(melted.copy())
        found |= {
            f"{norm}.weight": torch.ones_like(bias),
            f"{norm}.bias": bias,
            f"{norm}.running_mean": torch.zeros_like(bias),
            f"{norm}.running_var": torch.full_like(bias, 1 - eps),
        }
    return found


def _eps(net: Net, norm: str | None) -> float:
    module = net.get_submodule(norm) if norm else None
    return module.eps if isinstance(module, nn.BatchNorm2d) else 0.0


def norms_behind(net: Net) -> dict[str, str]:
    """Name of each convolution -> name of the batch norm that its output goes into, as a small picture's run shows."""
    names = {module: name for name, module in net.named_modules()}
    made: dict[int, str] = {}
    kept: list[Tensor] = []  # an output that is let go could give its place in memory to the next
    pairs: dict[str, str] = {}

    def after(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            made[output.data_ptr()] = names[module]
            kept.append(output)
        elif isinstance(module, nn.BatchNorm2d) and inputs[0].data_ptr() in made:
            pairs[made[inputs[0].data_ptr()]] = names[module]

    hooks = [m.register_forward_hook(after) for m in net.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    training = net.training
    with torch.no_grad():
        net.eval()(torch.zeros(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    net.train(training)
    return pairs
