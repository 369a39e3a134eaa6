"""Metadata, readiness and the model repository."""

from typing import Any

import msgspec
from starlette.requests import Request

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest
from maskery.core.version import __version__
from maskery.serving.http.body import read_unpacked
from maskery.serving.http.json_body import parsed
from maskery.serving.protocols.open_inference.input_tensors import NAME
from maskery.serving.protocols.open_inference.message import Value, flag, only
from maskery.serving.protocols.open_inference.outputs import outputs_of
from maskery.serving.runtime.service import InferenceService

EXTENSIONS = ["binary_tensor_data", "model_repository"]
PLATFORMS = {".onnx": "onnx_onnxv1", ".tflite": "litert_tflite"}
STATES = {"ready": "READY", "loading": "LOADING"}  # others are UNAVAILABLE

Json = dict[str, Any]


class IndexAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a repository index request."""

    ready: bool = False


class ChangeAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a load or unload request."""

    parameters: dict[str, Value] = {}


def server() -> Json:
    """GET /v2"""
    return {"name": "maskery", "version": __version__, "extensions": EXTENSIONS}


def metadata(service: InferenceService, card: ModelCard) -> Json:
    """GET /v2/models/{name}. Labels are JSON text: parameters are no lists."""
    versions = [pooled.card.version for pooled in service.pool.views() if pooled.card.name == card.name]
    outputs = [{"name": o.name, "datatype": o.datatype, "shape": o.shape} for o in outputs_of(card).values()]
    labels = msgspec.json.encode(card.labels).decode()
    return {
        "name": card.name,
        "versions": versions,
        "platform": PLATFORMS["." + card.file.rpartition(".")[2]],
        "inputs": [{"name": NAME, "datatype": "BYTES", "shape": [-1]}],
        "outputs": outputs,
        "parameters": {"task": card.task, "labels": labels, "also_accepts": "UINT8 [H, W, 3] and [N, H, W, 3]"},
    }


def is_ready(service: InferenceService, card: ModelCard) -> bool:
    """Whether the model is loaded and gives its stored answer."""
    return any(r.state == "ready" and r.card == card for r in service.pool.views())


async def index(service: InferenceService, request: Request) -> list[Json]:
    """POST /v2/repository/index"""
    body = await read_unpacked(request, service.settings)
    ask = parsed(body or b"{}", IndexAsk, "a repository index request")
    await service.cards()  # so that those on disk are known
    found = [
        {
            "name": pooled.card.name,
            "version": pooled.card.version,
            "state": STATES.get(pooled.state, "UNAVAILABLE"),
            "reason": "" if pooled.state == "ready" else f"{pooled.state}: {pooled.reason}",
        }
        for pooled in service.pool.views()
    ]
    return [one for one in found if one["state"] == "READY" or not ask.ready]


async def load(service: InferenceService, name: str, request: Request) -> None:
    """POST /v2/repository/models/{name}/load. Raises ``BadRequest`` for parameters: none is supported."""
    ask = await _change(service, request)
    if ask.parameters:
        raise BadRequest(
            f"Parameters {', '.join(sorted(ask.parameters))[:200]} of load are not supported.",
            "A model is its card and its file: add it by 'maskery models add', then load it without parameters.",
        )
    await service.pool.load(name)


async def unload(service: InferenceService, name: str, request: Request) -> None:
    """POST /v2/repository/models/{name}/unload. No model here depends on another."""
    ask = await _change(service, request)
    only(ask.parameters, ("unload_dependents",), "unload")
    flag(ask.parameters, "unload_dependents", default=False)
    await service.pool.unload(name)


async def _change(service: InferenceService, request: Request) -> ChangeAsk:
    return parsed(await read_unpacked(request, service.settings) or b"{}", ChangeAsk, "a load or unload request")
