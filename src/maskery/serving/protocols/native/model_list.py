"""GET /v1/models, /v1/models/{name}; POST /v1/models/{name}/load and /unload."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from maskery.core.card import ModelCard, OutputLayout
from maskery.core.errors import BadRequest
from maskery.serving.http.body import read_body
from maskery.serving.runtime.model_pool import PooledModel
from maskery.serving.runtime.service import InferenceService


class AnswerOutput(msgspec.Struct, frozen=True, kw_only=True):
    """The output that a model's answers are read from, as this protocol has always shown it.

    Attributes:
        tensor: Its name in the file.
        kind: logits, probabilities, scores (of a classifier), foreground, class-map.
        layout: Its axes without the batch.
        foreground_channel: Of a foreground model, the channel of the foreground.
        joined: Always empty.
        anchors: Always empty.
    """

    tensor: str
    kind: str
    layout: OutputLayout
    foreground_channel: int = 0
    joined: str = ""
    anchors: list[tuple[int, int]] = []


def public(card: ModelCard) -> dict[str, Any]:
    """The card as plain data; palette as "#rrggbb", one a label."""
    plain: dict[str, Any] = msgspec.to_builtins(card)
    plain["palette"] = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in card.colours]
    plain |= {"sha256": card.sha256, "bytes": card.bytes, "url": card.url, "finder": plain["detector"]}
    plain["input"] = {key: value for key, value in msgspec.to_builtins(card.input).items() if key != "role"}
    plain["output"] = msgspec.to_builtins(_output(card))
    return {key: plain[key] for key in SHOWN if plain[key] is not None}


def _output(card: ModelCard) -> AnswerOutput:
    output = card.output
    kind = {"class-map": "class-map", "alpha": "foreground"}.get(output.role, output.values)
    if output.role == "alpha" and (output.logits or output.layout == "CHW"):
        kind = output.values
    if card.task == "classification" and not output.logits:
        kind = "scores"
    return AnswerOutput(tensor=output.tensor, kind=kind, layout=output.layout, foreground_channel=output.channel)


SHOWN = (
    "name", "version", "task", "description", "labels", "palette", "licence", "input", "output", "finder", "quality",
    "sha256", "bytes", "url", "training",
)  # fmt: skip


class ModelsEndpoint:
    """The endpoints."""

    def __init__(self, service: InferenceService) -> None:
        self.service, self.pool = service, service.pool

    async def listed(self, _: Request) -> Response:
        """The cards of all models that can answer, the default first."""
        cards = await self.service.cards()
        return _json({"default": self.pool.default, "models": [public(card) for card in cards]})

    async def one(self, request: Request) -> Response:
        """One card."""
        return _json(public(await self.service.card(request.path_params["name"])))

    async def load(self, request: Request) -> Response:
        """Load a model; of no effect where it is loaded."""
        await _expect_no_body(request, self.service)
        return _json(_changed(await self.pool.load(request.path_params["name"])))

    async def unload(self, request: Request) -> Response:
        """Unload a model once no request holds it; of no effect where it is not loaded."""
        await _expect_no_body(request, self.service)
        return _json(_changed(await self.pool.unload(request.path_params["name"])))


async def _expect_no_body(request: Request, service: InferenceService) -> None:
    if (await read_body(request, 1024, service.settings.timeout)).strip() not in (b"", b"{}"):
        raise BadRequest("Loading and unloading take no body.", "Send the request without one.")


def _changed(pooled: PooledModel) -> dict[str, Any]:
    """State, and the proof that memory was taken or given back: resident bytes of the process before and after."""
    answer: dict[str, Any] = {
        "name": pooled.card.name,
        "version": pooled.card.version,
        "state": pooled.state,
        "reason": pooled.reason,
        "batch": {"most": pooled.batch, "measured_ms_a_picture": pooled.batch_ms},
    }
    if pooled.changes:
        last = pooled.changes[-1]
        answer["last_change"] = {
            "what": last.what,
            "reason": last.reason,
            "seconds": round(last.seconds, 3),
            "rss_before": last.rss_before,
            "rss_after": last.rss_after,
        }
    return answer


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
