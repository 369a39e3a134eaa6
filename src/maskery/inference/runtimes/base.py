"""A loaded network behind one small protocol, whatever runs it: named tensors in, named tensors out."""

import logging
from collections.abc import Iterable, Mapping
from typing import Protocol

from maskery.core.arrays import Array
from maskery.core.errors import ModelError

log = logging.getLogger("maskery")


class Session(Protocol):
    """Thread-safe."""

    @property
    def device(self) -> str:
        """Where it runs: "cpu" or "cuda"."""
        ...

    @property
    def runtime(self) -> str:
        """The library and its version."""
        ...

    @property
    def batches(self) -> bool:
        """Whether the batch axis of the inputs may be longer than 1."""
        ...

    def run(self, inputs: Mapping[str, Array], keep: bool = True) -> dict[str, Array]:
        """The card's output tensors by name, for its input tensors by name; all with batch axis, dtypes as the file
        gives them.

        ``keep``: whether the memory that it took may be kept for the next run. Raises ``ModelError`` where the network
        refuses the inputs.
        """
        ...


def expect_tensors(kind: str, names: Iterable[str], present: list[str], file: str) -> None:
    """Raises ``ModelError`` when the card names a tensor that the file does not have."""
    for name in names:
        if name not in present:
            raise ModelError(
                f"{file} has no {kind} tensor {name!r}.", f"Its {kind} tensors: {', '.join(present)}. Correct the card."
            )


def refused(inputs: Mapping[str, Array], reason: object) -> ModelError:
    """The error for inputs that a network does not take."""
    shown = ", ".join(f"a {tensor.dtype} tensor of shape {tensor.shape}" for tensor in inputs.values())
    return ModelError(f"The model refused {shown}: {reason}", "Correct the input part of its card.")
