"""The routes of the native API."""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Route

from maskery.serving.protocols.native.model_list import ModelsEndpoint
from maskery.serving.protocols.native.segment_endpoint import SegmentEndpoint
from maskery.serving.runtime.service import InferenceService


def routes(service: InferenceService) -> Sequence[BaseRoute]:
    """Errors in them are problems of RFC 9457, by the application's own handlers."""
    models = ModelsEndpoint(service)
    return [
        Route("/v1/segment", SegmentEndpoint(service).answer, methods=["GET", "POST"]),
        Route("/v1/models", models.listed),
        Route("/v1/models/{name}", models.one),
        Route("/v1/models/{name}/load", models.load, methods=["POST"]),
        Route("/v1/models/{name}/unload", models.unload, methods=["POST"]),
    ]
