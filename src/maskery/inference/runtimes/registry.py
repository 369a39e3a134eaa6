"""Which runtime opens which file, and how the networks of one card run as one. Runtimes are imported on demand."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from maskery.core.arrays import Array
from maskery.core.card import ModelCard, Network
from maskery.core.errors import ModelError
from maskery.inference.runtimes.base import Session


@dataclass(frozen=True)
class ChainedSession:
    """The networks of a card as one ``Session``: what one gives is given to the later ones by its tensor's name."""

    card: ModelCard
    sessions: tuple[Session, ...]

    @property
    def device(self) -> str:
        return self.sessions[0].device

    @property
    def runtime(self) -> str:
        return self.sessions[0].runtime

    @property
    def batches(self) -> bool:
        return all(session.batches for session in self.sessions)

    def run(self, inputs: Mapping[str, Array], keep: bool = True) -> dict[str, Array]:
        tensors = dict(inputs)
        for network, session in zip(self.card.networks, self.sessions, strict=True):
            tensors |= session.run({name: tensors[name] for name in self.card.inputs_of(network)}, keep)
        return {output.tensor: tensors[output.tensor] for output in self.card.outputs}


def open_session(card: ModelCard, files: Path | Sequence[Path], device: str = "cpu", threads: int = 0) -> Session:
    """Load the card's networks from ``files``, in its order, on ``device`` ("cpu", "cuda", "auto") with ``threads``
    (0 = all usable cores).

    Raises ``DeviceError`` for a device that is not there, ``MissingExtra`` for a runtime that is not installed,
    ``ModelError`` for a file that the runtime refuses or that lacks the card's tensors.
    """
    paths, count = [files] if isinstance(files, Path) else files, threads or usable_cores()
    sessions = [open_network(card, *pair, device, count) for pair in zip(card.networks, paths, strict=True)]
    return sessions[0] if len(sessions) == 1 else ChainedSession(card, tuple(sessions))


def open_network(card: ModelCard, network: Network, path: Path, device: str, threads: int) -> Session:
    """One of the card's networks. Raises as ``open_session`` does."""
    if path.suffix == ".onnx":
        from maskery.inference.runtimes.onnx import OnnxSession

        return OnnxSession(card, network, path, device, threads)
    if path.suffix == ".tflite":
        from maskery.inference.runtimes.litert import LiteRTSession

        return LiteRTSession(card, network, path, device, threads)
    raise ModelError(f"{path.name} is no model file that Maskery runs.", "Use an .onnx or a .tflite file.")


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
