"""Where every HTTP door brings its order: picture in, result out, off the event loop."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import anyio.to_thread
import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request

from maskery import image
from maskery.image import Picture
from maskery.model_card import ModelCard
from maskery.pipeline import PLAIN, Wish
from maskery.result import Result
from maskery.serving.memory import room_for
from maskery.serving.metrics import Metrics
from maskery.serving.residents import Residents
from maskery.serving.workers import Workers
from maskery.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True)
class Order:
    """One picture and what is wanted of it.

    ``source``: the file's bytes, or (H, W, 3) uint8 RGB. ``model``: a name, None for the default one. ``wish``: a
    wish, or what makes one of the opened picture. ``needs_photo``: whether the answer is drawn on the upright picture.
    ``upright``: whether the EXIF orientation is applied. ``protocol`` and ``format``: what metrics and logs call this
    order.
    """

    source: bytes | NDArray[np.uint8]
    model: str | None = None
    wish: Wish | Callable[[Picture], Wish] = PLAIN
    needs_photo: bool = False
    upright: bool = True
    protocol: str = "native"
    format: str = "json"


@dataclass(frozen=True)
class Served:
    """What ``finish`` is given. ``photo``: (H, W, 3) uint8, the picture, where the order needed it."""

    result: Result
    card: ModelCard
    picture: Picture
    photo: NDArray[np.uint8] | None


class Desk:
    """The loaded models and the workers behind all doors."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.metrics = settings, Metrics()
        self.residents = Residents(settings)
        self.workers = Workers(settings.concurrency, settings.max_queue, settings.timeout)

    async def serve(self, order: Order, finish: Callable[[Served], T], request: Request | None = None) -> T:
        """Segment the order's picture and give what ``finish`` makes of it; both run in a worker thread.

        With ``request`` the order is dropped when its caller leaves (``ClientDisconnect``). Raises the errors of
        ``open_picture`` and ``Model.run``, ``UnknownModel``, ``NotPulled``, ``ModelError``, ``Busy``.
        """
        settings = self.settings

        def work() -> T:
            model = self.residents.get(order.model)
            picture = image.open_picture(order.source, max_bytes=settings.max_bytes, max_pixels=settings.max_pixels)
            if not order.upright:
                picture = as_stored(picture)
            with room_for(full_decode_pixels(picture, order.needs_photo)):
                wish = order.wish if isinstance(order.wish, Wish) else order.wish(picture)
                result = model.run(picture, wish)
                photo = picture.rgb() if order.needs_photo else None
                return finish(Served(result, model.card, picture, photo))

        return await self.workers.run(work)

    async def card(self, name: str | None = None) -> ModelCard:
        """The card of a model that can answer, loaded or not; None = the default.

        Raises ``UnknownModel``, ``NotPulled``.
        """
        return await anyio.to_thread.run_sync(self.residents.card, name)

    async def cards(self) -> list[ModelCard]:
        """Every model that can answer now, the default first."""
        return await anyio.to_thread.run_sync(self.residents.cards)

    async def fetch(self, url: str) -> bytes:
        """The bytes of a picture by its address, by the rules of docs/security.md."""
        return await self.fetcher(url)

    fetcher: Callable[[str], Awaitable[bytes]]


def as_stored(picture: Picture) -> Picture:
    """The picture without its EXIF orientation."""
    size = picture.size_wh[::-1] if picture.orientation >= 5 and picture.format != "TIFF" else picture.size_wh
    return replace(picture, orientation=1, size_wh=size)


def full_decode_pixels(picture: Picture, photo: bool) -> int:
    """Pixels that are decoded at full size: none of a JPEG whose photo is not drawn on, it is decoded reduced."""
    reduced = picture.format in ("JPEG", "MPO") and not photo
    return 0 if reduced else picture.size_wh[0] * picture.size_wh[1]
