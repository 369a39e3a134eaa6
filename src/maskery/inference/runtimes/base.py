"""A loaded model behind one small protocol, whatever runs it."""

import logging
from typing import Protocol

import numpy as np

from maskery.core.arrays import Array, Tensor
from maskery.core.errors import ModelError

log = logging.getLogger("maskery")


class Session(Protocol):
    """Thread-safe. ``device`` is where it really runs; ``runtime`` names the library and its version.

    ``batches``: whether the input's batch axis may be longer than 1.
    """

    device: str
    runtime: str
    batches: bool

    def run(self, tensor: Tensor, keep: bool = True) -> Array:
        """The card's output tensor for the card's input tensor, both with batch axis, dtype as the model gives it.

        ``keep``: whether the memory that it took may be kept for the next run.
        """
        ...


def expect_tensor(kind: str, wanted: str, present: list[str], file: str) -> None:
    """Raises ``ModelError`` when the card names a tensor that the file does not have."""
    if wanted not in present:
        raise ModelError(
            f"{file} has no {kind} tensor {wanted!r}.", f"Its {kind} tensors: {', '.join(present)}. Correct the card."
        )


def joined(outputs: list[Array]) -> Array:
    """The card's output, with what is to be joined to it along the last axis. Raises ``ModelError``."""
    if len(outputs) == 1:
        return outputs[0]
    try:
        return np.concatenate(outputs, axis=-1)
    except ValueError as error:
        shapes = " and ".join(str(output.shape) for output in outputs)
        raise ModelError(f"Outputs of shape {shapes} cannot be joined.", "Correct output.joined.") from error
