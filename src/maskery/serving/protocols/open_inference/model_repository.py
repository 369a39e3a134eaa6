"""Metadata, readiness and the model repository: what is read and what is answered."""

from collections.abc import Sequence

import msgspec

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest
from maskery.serving.protocols.open_inference.input_tensors import NAME
from maskery.serving.protocols.open_inference.message import Value, flag, only
from maskery.serving.protocols.open_inference.outputs import outputs_of
from maskery.serving.runtime.model_pool import PooledModel

EXTENSIONS = ["binary_tensor_data", "model_repository"]
PLATFORMS = {".onnx": "onnx_onnxv1", ".tflite": "litert_tflite"}
STATES = {"ready": "READY", "loading": "LOADING"}  # others are UNAVAILABLE


class ServerMetadata(msgspec.Struct, frozen=True):
    """GET /v2"""

    name: str
    version: str
    extensions: list[str]


class ServerLive(msgspec.Struct, frozen=True):
    """GET /v2/health/live"""

    live: bool


class ServerReady(msgspec.Struct, frozen=True):
    """GET /v2/health/ready"""

    ready: bool


class ModelReady(msgspec.Struct, frozen=True):
    """Whether a model is loaded and gives its stored answer."""

    name: str
    ready: bool


class ModelNames(msgspec.Struct, frozen=True):
    """GET /v2/models"""

    models: list[str]


class TensorMetadata(msgspec.Struct, frozen=True):
    """``shape``: -1 where it depends on the pictures."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """What a model takes and gives.

    Attributes:
        name: Of the model.
        versions: Those that are known.
        platform: The format of its file.
        inputs: One, the picture.
        outputs: What can be asked for, the default first.
        parameters: Task, labels as JSON text (parameters are no lists), and what else the input takes.
    """

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    parameters: dict[str, Value]


class ModelState(msgspec.Struct, frozen=True):
    """One model of the repository: READY, LOADING or UNAVAILABLE, and why."""

    name: str
    version: str
    state: str
    reason: str


class IndexBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a repository index request."""

    ready: bool = False


class ChangeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a load or unload request."""

    parameters: dict[str, Value] = {}


def metadata(card: ModelCard, pool: Sequence[PooledModel]) -> ModelMetadata:
    """Of the model with this card; the other versions are in the pool."""
    labels = msgspec.json.encode(card.labels).decode()
    return ModelMetadata(
        name=card.name,
        versions=[pooled.card.version for pooled in pool if pooled.card.name == card.name],
        platform=PLATFORMS["." + card.file.rpartition(".")[2]],
        inputs=[TensorMetadata(NAME, "BYTES", [-1])],
        outputs=[TensorMetadata(one.name, one.datatype, one.shape) for one in outputs_of(card).values()],
        parameters={"task": card.task, "labels": labels, "also_accepts": "UINT8 [H, W, 3] and [N, H, W, 3]"},
    )


def is_ready(card: ModelCard, pool: Sequence[PooledModel]) -> bool:
    """Whether the model is loaded and gives its stored answer."""
    return any(pooled.state == "ready" and pooled.card == card for pooled in pool)


def index(pool: Sequence[PooledModel], ready: bool) -> list[ModelState]:
    """All models, or those that are ready."""
    states = [
        ModelState(
            pooled.card.name,
            pooled.card.version,
            STATES.get(pooled.state, "UNAVAILABLE"),
            "" if pooled.state == "ready" else f"{pooled.state}: {pooled.reason}",
        )
        for pooled in pool
    ]
    return [one for one in states if one.state == "READY" or not ready]


def check_load(body: ChangeBody) -> None:
    """Raises ``BadRequest`` for parameters: none is supported."""
    if body.parameters:
        raise BadRequest(
            f"Parameters {', '.join(sorted(body.parameters))[:200]} of load are not supported.",
            "A model is its card and its file: add it by 'maskery models add', then load it without parameters.",
        )


def check_unload(body: ChangeBody) -> None:
    """Raises ``BadRequest`` for unknown parameters. No model here depends on another."""
    only(body.parameters, ("unload_dependents",), "unload")
    flag(body.parameters, "unload_dependents", default=False)
