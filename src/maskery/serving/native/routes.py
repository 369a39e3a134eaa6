"""The routes of the native API."""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Route

from maskery.serving.desk import Desk
from maskery.serving.native.models import Models
from maskery.serving.native.segment import Segment


def routes(desk: Desk) -> Sequence[BaseRoute]:
    """Errors in them are problems of RFC 9457, by the application's own handlers."""
    models = Models(desk)
    return [
        Route("/v1/segment", Segment(desk).answer, methods=["GET", "POST"]),
        Route("/v1/models", models.listed),
        Route("/v1/models/{name}", models.one),
        Route("/v1/models/{name}/load", models.load, methods=["POST"]),
        Route("/v1/models/{name}/unload", models.unload, methods=["POST"]),
    ]
