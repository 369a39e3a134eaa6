"""Why a loss is not finite: what was the first on the way from the picture to the loss and back."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

MOST_NAMES = 8


def first_not_finite(net: nn.Module, images: Tensor, forward: Callable[[Tensor], object]) -> str:
    """In words; ``images`` are what the network gets. ``forward`` runs once more, and is watched.

    Running statistics prove nothing: the batch norms have counted this step already.
    """
    if not _finite(images):
        return "the network's input was not finite"
    broken = next((name for name, value in net.named_parameters() if not _finite(value)), None)
    if broken:
        return f"the weights were not finite before this step, the first is {broken}"
    layer = _first_layer(net, images, forward)
    if layer:
        return f"input and weights were finite, the network's output was not; the first layer is {layer}"
    return "input, weights and output of this process were finite, the loss of all was not"


def _first_layer(net: nn.Module, images: Tensor, forward: Callable[[Tensor], object]) -> str:
    found: list[str] = []

    def watch(name: str) -> Callable[[nn.Module, object, object], None]:
        def after(module: nn.Module, inputs: object, output: object) -> None:
            if not _finite(output):
                found.append(name)

        return after

    leaves = [(name, module) for name, module in net.named_modules() if not list(module.children())]
    hooks = [module.register_forward_hook(watch(name)) for name, module in leaves]
    with torch.no_grad():
        output = forward(images)
    for hook in hooks:
        hook.remove()
    return found[0] if found else "" if _finite(output) else "after the last one"


def gradient_not_finite(net: nn.Module) -> str:
    """In words, after a backward pass of a finite loss."""
    names = [name for name, p in net.named_parameters() if p.grad is not None and not _finite(p.grad)]
    return f"the loss was finite, the gradient was not, of {len(names)} parameters, the last of them {names[-1]}"


def listed(names: Sequence[str]) -> str:
    """The names, the first few where there are many."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _finite(value: Any) -> bool:
    if isinstance(value, Tensor):
        return not value.is_floating_point() or bool(value.isfinite().all())
    return all(_finite(inner) for inner in value) if isinstance(value, list | tuple) else True
