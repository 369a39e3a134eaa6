"""ONNX Runtime behind ``Session``."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import onnxruntime as ort

from maskery.core.arrays import Array
from maskery.core.card import ModelCard, Network
from maskery.core.card_tensors import Input
from maskery.core.errors import DeviceError, ModelError, first_line
from maskery.inference.runtimes.base import expect_tensors, log, refused

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"

CHANNELS = 3
# Of models that take pictures as they come.
NATIVE_SIDE = 512


@cache
def multiplies_bytes(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor has instructions for sums of int8 products (VNNI, AMX); False where that is not known."""
    try:
        flags = set(cpuinfo.read_text(encoding="utf-8").split())
    except OSError:
        return False
    return bool(flags & {"avx512_vnni", "avx_vnni", "amx_int8"})


class OnnxSession:
    """Memory stays in ONNX Runtime's arena from run to run, and goes back after a run of more than one usual picture.

    So the usual run finds its memory mapped and warm, while batches and unusual sizes do not pile up hundreds of
    megabytes.
    Waiting threads sleep instead of spinning: the same latency for one caller, 14 % more pictures a second for two
    (docs/adr/0004-onnxruntime-memory.md).
    """

    def __init__(self, card: ModelCard, network: Network, path: Path, device: str, threads: int) -> None:
        providers = _providers(device)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.enable_mem_pattern = False
        options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if not multiplies_bytes():
            # int8 products overflow there but for this; elsewhere it would only halve the speed.
            options.add_session_config_entry("session.x64quantprecision", "1")
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(path, options, providers=providers)
        except Exception as error:  # its exceptions share no base class
            raise ModelError(f"ONNX Runtime cannot load {path.name}: {first_line(error)}", "Check the file.") from error
        self.device = "cuda" if self._session.get_providers()[0] == CUDA else "cpu"
        if device == "cuda" and self.device != "cuda":
            raise DeviceError("ONNX Runtime fell back to the CPU.", "Check driver and CUDA libraries, or use cpu.")
        if device == "auto":
            log.info("device auto: %s runs on %s", card.name, self.device)
        self.runtime = f"onnxruntime {ort.__version__}"
        taken = [t for t in self._session.get_inputs() if t.name in card.inputs_of(network)]
        self.batches = bool(taken) and all(t.shape and isinstance(t.shape[0], str) for t in taken)
        self._usual_pixels = usual_pixels(card.input)
        self._giving_back = ort.RunOptions()
        self._giving_back.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._picture, self._outputs = card.input.tensor, card.outputs_of(network)
        expect_tensors("input", card.inputs_of(network), [t.name for t in self._session.get_inputs()], path.name)
        expect_tensors("output", self._outputs, [t.name for t in self._session.get_outputs()], path.name)

    def run(self, inputs: Mapping[str, Array], keep: bool = True) -> dict[str, Array]:
        picture = inputs.get(self._picture)
        usual = picture is None or picture.size <= CHANNELS * self._usual_pixels
        options = None if keep and usual else self._giving_back
        try:
            results: list[Array] = self._session.run(self._outputs, dict(inputs), options)
        except Exception as error:  # as above
            raise refused(inputs, first_line(error)) from error
        return dict(zip(self._outputs, results, strict=True))


def usual_pixels(spec: Input) -> int:
    """The most working pixels of one usual picture: runs of up to these keep their memory.

    Sides are rounded to the card's ``multiple``, so a square picture can have more than ``side`` squared.
    """
    if spec.size:
        return spec.size[0] * spec.size[1]
    multiple = spec.multiple
    side = (spec.side or NATIVE_SIDE) + multiple // 2
    side = max(multiple, side // multiple * multiple)
    return 2 * side**2 if spec.resize == "shortest-side" else side**2


def _providers(device: str) -> list[Any]:
    present = ort.get_available_providers()
    if device == "cuda" and CUDA not in present:
        raise DeviceError(
            f"Device cuda was asked for, but this ONNX Runtime has {', '.join(present)}.",
            "Use --device cpu, or install onnxruntime-gpu in place of onnxruntime.",
        )
    return [CUDA, CPU] if device in ("cuda", "auto") and CUDA in present else [CPU]
