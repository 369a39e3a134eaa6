"""GET /v1/models, /v1/models/{name}; POST /v1/models/{name}/load and /unload."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from maskery.errors import BadRequest
from maskery.serving.body import read_body
from maskery.serving.cards import public
from maskery.serving.desk import Desk
from maskery.serving.residents import Resident


class Models:
    """The endpoints."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.residents = desk, desk.residents

    async def listed(self, _: Request) -> Response:
        """The cards of all models that can answer, the default first."""
        cards = await self.desk.cards()
        return _json({"default": self.residents.default, "models": [public(card) for card in cards]})

    async def one(self, request: Request) -> Response:
        """One card."""
        return _json(public(await self.desk.card(request.path_params["name"])))

    async def load(self, request: Request) -> Response:
        """Load a model; of no effect where it is loaded."""
        await _expect_no_body(request, self.desk)
        return _json(_changed(await self.residents.load(request.path_params["name"])))

    async def unload(self, request: Request) -> Response:
        """Unload a model once no request holds it; of no effect where it is not loaded."""
        await _expect_no_body(request, self.desk)
        return _json(_changed(await self.residents.unload(request.path_params["name"])))


async def _expect_no_body(request: Request, desk: Desk) -> None:
    if (await read_body(request, 1024, desk.settings.timeout)).strip() not in (b"", b"{}"):
        raise BadRequest("Loading and unloading take no body.", "Send the request without one.")


def _changed(resident: Resident) -> dict[str, Any]:
    """State, and the proof that memory was taken or given back: resident bytes of the process before and after."""
    answer: dict[str, Any] = {
        "name": resident.card.name,
        "version": resident.card.version,
        "state": resident.state,
        "reason": resident.reason,
        "batch": {"most": resident.batch, "measured_ms_a_picture": resident.batch_ms},
    }
    if resident.changes:
        last = resident.changes[-1]
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
