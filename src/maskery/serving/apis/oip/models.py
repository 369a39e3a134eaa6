"""Metadata, readiness and the model repository."""

from typing import Any

import msgspec
from starlette.requests import Request

from maskery import __version__
from maskery.errors import BadRequest
from maskery.model_card import ModelCard
from maskery.serving.apis.oip.message import Value, flag, only
from maskery.serving.apis.oip.outputs import outputs_of
from maskery.serving.apis.oip.pictures import NAME
from maskery.serving.desk import Desk
from maskery.serving.json_body import parsed
from maskery.serving.unpack import read_unpacked

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


def metadata(desk: Desk, card: ModelCard) -> Json:
    """GET /v2/models/{name}. Labels are JSON text: parameters are no lists."""
    versions = [resident.card.version for resident in desk.residents.views() if resident.card.name == card.name]
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


def is_ready(desk: Desk, card: ModelCard) -> bool:
    """Whether the model is loaded and gives its stored answer."""
    return any(r.state == "ready" and r.card == card for r in desk.residents.views())


async def index(desk: Desk, request: Request) -> list[Json]:
    """POST /v2/repository/index"""
    body = await read_unpacked(request, desk.settings)
    ask = parsed(body or b"{}", IndexAsk, "a repository index request")
    await desk.cards()  # so that those on disk are known
    found = [
        {
            "name": resident.card.name,
            "version": resident.card.version,
            "state": STATES.get(resident.state, "UNAVAILABLE"),
            "reason": "" if resident.state == "ready" else f"{resident.state}: {resident.reason}",
        }
        for resident in desk.residents.views()
    ]
    return [one for one in found if one["state"] == "READY" or not ask.ready]


async def load(desk: Desk, name: str, request: Request) -> None:
    """POST /v2/repository/models/{name}/load. Raises ``BadRequest`` for parameters: none is supported."""
    ask = await _change(desk, request)
    if ask.parameters:
        raise BadRequest(
            f"Parameters {', '.join(sorted(ask.parameters))[:200]} of load are not supported.",
            "A model is its card and its file: add it by 'maskery models add', then load it without parameters.",
        )
    await desk.residents.load(name)


async def unload(desk: Desk, name: str, request: Request) -> None:
    """POST /v2/repository/models/{name}/unload. No model here depends on another."""
    ask = await _change(desk, request)
    only(ask.parameters, ("unload_dependents",), "unload")
    flag(ask.parameters, "unload_dependents", default=False)
    await desk.residents.unload(name)


async def _change(desk: Desk, request: Request) -> ChangeAsk:
    return parsed(await read_unpacked(request, desk.settings) or b"{}", ChangeAsk, "a load or unload request")
