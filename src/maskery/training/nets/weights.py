"""A published state_dict -> the backbone of a network."""

import pickle
from pathlib import Path

import torch
from torch import Tensor

from maskery.errors import ConfigError
from maskery.training.nets.base import Backbone


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
