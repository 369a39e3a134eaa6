"""Where the faces of a picture are: a finder looks at all of it, and at parts of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from maskery.boxes import Box, merged
from maskery.engine import preprocess
from maskery.engine.crops_plan import view_size
from maskery.engine.memory_plan import UNMEASURED, Footprint
from maskery.engine.session import Session
from maskery.engine.view import View
from maskery.engine.window import Window, around, is_cut, looks
from maskery.model_card import Finder, ModelCard
from maskery.tasks import finder


@dataclass(frozen=True)
class FaceFinder:
    """A finder that is loaded: its card and session, and what is ``wanted`` of it. Thread-safe."""

    wanted: Finder
    card: ModelCard
    session: Session
    footprint: Footprint = UNMEASURED

    def view_wh(self, size_wh: tuple[int, int]) -> tuple[int, int]:
        """The size at which it wants to see a whole picture of ``size_wh``."""
        return view_size(size_wh, self.wanted.levels, self.card)

    def find(self, view: View, size_wh: tuple[int, int], heed: Callable[[], None] = lambda: None) -> list[Box]:
        """The faces in pixels of the picture, of ``size_wh``, the surest first; ``view`` shows all of it.

        Where it finds nothing it looks once more, at the picture with a margin around it: a face that fills the picture
        is too large for a finder that was trained on faces in scenes. ``heed`` is called before each run. Raises
        ``ModelError``.
        """
        found = self._seen(looks(size_wh, self.wanted.levels), view, size_wh, heed)
        return merged(found or self._seen([around(size_wh)], view, size_wh, heed))

    def _seen(
        self, windows: Iterable[Window], view: View, size_wh: tuple[int, int], heed: Callable[[], None]
    ) -> list[Box]:
        found = []
        for window in windows:
            heed()
            boxes = self._look(view, window)
            found += [box for box in boxes if not is_cut(box.xyxy, window, size_wh)]
        return found

    def _look(self, view: View, window: Window) -> list[Box]:
        spec = self.card.input
        place = preprocess.place(window.whole_wh, spec)
        pixels = view.crop(window, place.content_wh, spec.pad_value)
        output = self.session.run(preprocess.to_tensor(pixels, place, spec))
        boxes = finder.read(output, place, self.card, self.wanted)
        scale = (window.width / place.original_wh[0], window.height / place.original_wh[1])
        return [box.moved(scale, (window.left, window.top)) for box in boxes]
