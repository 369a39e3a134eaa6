"""Devices and mixed precision: where a network runs, and what of it is computed in bfloat16.

On a CPU with AMX or AVX512-BF16, autocast makes 1 x 1 convolutions and batch norms about twice as fast, but the
backward pass of a depthwise convolution several times slower: oneDNN has no fast bfloat16 kernel for it. So depthwise
convolutions go forward in bfloat16 and backward in float32; together that was 22 instead of 15 pictures a second.
"""

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskery.core.errors import ConfigError


def choose_device(name: str) -> torch.device:
    """``auto``: CUDA where there is one, else the CPU. Raises ``ConfigError`` for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"There is no device {name!r}.", "Choose auto, cpu, cuda or cuda:N.") from error
    if device.type not in ("cpu", "cuda") or (device.type == "cuda" and not torch.cuda.is_available()):
        raise ConfigError(f"The device {name!r} is not available here.", "Choose auto or cpu.")
    return device


def is_mixed(precision: str, device: torch.device) -> bool:
    """Whether bfloat16 is used: as the recipe says, and with ``auto`` on CUDA only."""
    return precision == "mixed" or (precision == "auto" and device.type == "cuda")


def mixed(device: torch.device, enabled: bool) -> AbstractContextManager[Any]:
    """The context of a forward pass."""
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


class _DepthwiseFunction(torch.autograd.Function):
    """A depthwise convolution of bfloat16 maps whose backward pass is float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, conv: nn.Conv2d) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.conv, ctx.biased = conv, bias is not None
        small = None if bias is None else bias.to(x.dtype)
        return F.conv2d(x, weight.to(x.dtype), small, conv.stride, conv.padding, conv.dilation, conv.groups)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        conv = ctx.conv
        grad_x, grad_weight, grad_bias = torch.ops.aten.convolution_backward(
            grads[0].float(),
            x.float(),
            weight,
            [conv.out_channels] if ctx.biased else None,
            conv.stride,
            conv.padding,
            conv.dilation,
            False,
            (0, 0),
            conv.groups,
            (ctx.needs_input_grad[0], ctx.needs_input_grad[1], ctx.biased),
        )
        return None if grad_x is None else grad_x.to(x.dtype), grad_weight, grad_bias, None


class _MixedDepthwise(nn.Conv2d):
    """A depthwise convolution whose backward pass is float32. Parameters and state are those of ``nn.Conv2d``."""

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and torch.is_autocast_enabled("cpu")):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            result: Tensor = _DepthwiseFunction.apply(x.to(torch.bfloat16), self.weight, self.bias, self)  # type: ignore[no-untyped-call]
            return result


def ready_for_mixed_cpu(net: nn.Module) -> None:
    """Change the depthwise convolutions of ``net`` in place so that mixed precision pays on a CPU."""
    for module in net.modules():
        if type(module) is nn.Conv2d and module.groups == module.in_channels > 1:
            module.__class__ = _MixedDepthwise
