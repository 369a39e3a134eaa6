"""What a format is: its name, its kind of file, what a result must have to be written in it, and the writer."""

from collections.abc import Callable
from dataclasses import dataclass

from maskery.core.plan import Demand
from maskery.core.result.capabilities import HasClasses, HasClassMap, HasInstances, HasScores, Result, has

NO_OPTIONS: frozenset[str] = frozenset()
ROWS = (HasClasses,)  # written from bands of rows
MASKS = (HasClassMap,)
OBJECTS = (HasInstances,)
SCORES = (HasScores,)


@dataclass(frozen=True)
class FileType:
    """``suffix``: of file names, with its dot."""

    media_type: str
    suffix: str


PNG = FileType("image/png", ".png")
JPEG = FileType("image/jpeg", ".jpg")
JSON = FileType("application/json", ".json")


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """One format.

    Attributes:
        name: What callers ask for.
        file: Media type and suffix.
        needs: Capabilities of a result; it can be written if it has one of them. With ``HasClasses`` a result in bands
            is taken too, with ``PhotoRows`` where there is a photo.
        function: (result[, photo][, options]) -> bytes, as ``needs_photo`` and ``options`` say.
        needs_photo: Whether it is drawn on the upright picture.
        options: The names of the ``Options`` that it understands.
        map: The one of ``MAPS`` that it draws.
        held: Bytes a pixel that the writer holds at its end beside result and photo, the answer included: what
            photographs were measured to take, and a little more.
        shown: Bytes a pixel of the photo that it shows as a PNG.
    """

    name: str
    file: FileType
    needs: tuple[type, ...]
    function: Callable[..., bytes]
    needs_photo: bool = False
    options: frozenset[str] = NO_OPTIONS
    map: str | None = None
    held: float = 3.0
    shown: float = 0.0

    @property
    def media_type(self) -> str:
        return self.file.media_type

    @property
    def suffix(self) -> str:
        """Of file names, with its dot."""
        return self.file.suffix

    @property
    def bands(self) -> bool:
        """Whether it is written from results in bands."""
        return HasClasses in self.needs

    @property
    def demand(self) -> Demand:
        """What writing this format takes."""
        return Demand(self.needs_photo, self.bands, self.held, self.shown)

    def fits(self, result: type | Result) -> bool:
        """Whether a result, or every result of a type, has what the format needs."""
        return any(has(result, need) for need in self.needs)
