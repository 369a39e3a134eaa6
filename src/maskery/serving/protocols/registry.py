"""The compatible APIs, written out. Each module gives its routes and what they are in the OpenAPI document."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.routing import BaseRoute

from maskery.core.errors import ConfigError, nearest
from maskery.core.settings import Settings
from maskery.serving.protocols import huggingface, rembg
from maskery.serving.protocols import max as max_api
from maskery.serving.protocols import rembg as rembg_paths
from maskery.serving.protocols.label_studio.paths import paths as label_studio_paths
from maskery.serving.protocols.label_studio.predict import REGIONS
from maskery.serving.protocols.label_studio.routes import routes as label_studio_routes
from maskery.serving.protocols.native.segment_endpoint import FILE
from maskery.serving.protocols.open_inference.infer_request import OUTPUTS
from maskery.serving.protocols.open_inference.paths import paths as oip_paths
from maskery.serving.protocols.open_inference.routes import routes as oip_routes
from maskery.serving.runtime.request import writers_by_name
from maskery.serving.runtime.service import InferenceService


@dataclass(frozen=True)
class Api:
    """``routes``: what is served; ``paths``: the OpenAPI path items of exactly these routes."""

    name: str
    routes: Callable[[InferenceService], Sequence[BaseRoute]]
    paths: Callable[[Settings], dict[str, Any]]


APIS: dict[str, Api] = {
    "max": Api("max", max_api.routes, max_api.paths),
    "open-inference": Api("open-inference", oip_routes, oip_paths),
    "hugging-face": Api("hugging-face", huggingface.routes, huggingface.paths),
    "rembg": Api("rembg", rembg.routes, rembg_paths.paths),
    "label-studio": Api("label-studio", label_studio_routes, label_studio_paths),
}


WRITERS = writers_by_name(
    FILE,
    max_api.FIELDS,
    OUTPUTS,
    huggingface.MASKS,
    rembg.PNG,
    REGIONS,
)
"""What writes the answers, of all protocols; also imported by workers in other processes."""


def chosen(settings: Settings) -> list[Api]:
    """The APIs of ``settings.protocols``. Raises ``ConfigError`` for a name that is none."""
    for name in settings.protocols:
        if name not in APIS:
            raise ConfigError(f"There is no protocol {name!r}.", nearest(name, APIS))
    if settings.drop_in and settings.drop_in not in settings.protocols:
        raise ConfigError(f"drop_in is {settings.drop_in!r}, but protocols lacks it.", "Add it to protocols.")
    return [APIS[name] for name in APIS if name in settings.protocols]
