"""The call in Python: ``maskery.load(name).segment(source)``."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from maskery.core.arrays import Pixels
from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest
from maskery.core.picture import decode
from maskery.core.picture.decode import Source
from maskery.core.plan import Plan, RunOptions
from maskery.core.prompt import Prompt
from maskery.core.result.capabilities import HasInstances, Result
from maskery.core.settings import Settings, load_settings
from maskery.encode.options import PLAIN_OPTIONS, Options
from maskery.encode.registry import encode, find, named, wanted_maps
from maskery.inference.pipeline import Model
from maskery.inference.source import photo_of
from maskery.inference.tasks.registry import task_of
from maskery.models.loading import open_model
from maskery.models.segmented_picture import Segmentation, SegmentedFrame
from maskery.models.store import Store, is_path

if TYPE_CHECKING:
    from maskery.inference.video.sources import VideoInput
    from maskery.models.prompt_session import PromptSession


@dataclass(frozen=True)
class Segmenter:
    """A loaded model and the limits that pictures must keep. ``origin``: by which name and settings it was loaded."""

    model: Model
    max_bytes: int
    max_pixels: int
    origin: tuple[str, Settings] | None = field(default=None, repr=False, compare=False)

    def __reduce__(self) -> tuple[Callable[..., "Segmenter"], tuple[object, ...]]:
        """Pickled by its name: where it is unpickled, the model is loaded again."""
        if self.origin is None:
            raise BadRequest("A segmenter of a model without a name cannot be pickled.", "Make it by maskery.load.")
        return open_segmenter, self.origin

    @property
    def card(self) -> ModelCard:
        return self.model.card

    def segment(
        self,
        source: Source,
        *,
        classes: Sequence[str] | None = (),
        max_side: int | None = None,
        maps: tuple[str, ...] = (),
        tile: int | None = None,
        score: float | None = None,
        overlap: float | None = None,
        max_objects: int | None = None,
        prompt: Prompt | None = None,
        candidates: int = 1,
    ) -> Segmentation:
        """Segment a path, bytes, PIL image or numpy array (H, W[, 1|3|4]).

        ``classes`` keeps only these; ``max_side`` is the longest side of what the model sees, in pixels; ``maps``
        adds some of "confidence", "entropy" and "margin" to the result; ``tile`` is the side, in pixels of the picture,
        of the tiles that it is cut into: 0 = none, None = only where it is huge; ``score``, ``overlap`` and
        ``max_objects`` are limits of single objects, as ``RunOptions`` has them; ``prompt`` is what a model is asked
        by that takes clicks and boxes, which then gives at most ``candidates`` masks. Raises ``PictureError``,
        ``TooLarge``, ``BadRequest``.
        """
        picture = decode.open_picture(source, max_bytes=self.max_bytes, max_pixels=self.max_pixels)
        options = RunOptions(
            classes=_names(classes),
            max_side=max_side,
            maps=_names(maps),
            tile=tile,
            score=score,
            overlap=overlap,
            max_objects=max_objects,
            prompt=prompt,
            candidates=candidates,
        )
        return Segmentation(self.model.run(picture, options), picture)

    def session(self, source: Source, *, candidates: int = 1) -> "PromptSession":
        """A picture that is asked about click by click, with at most ``candidates`` masks an answer.

        Raises ``PictureError``, ``TooLarge``; ``BadRequest`` for a model that takes no clicks.
        """
        from maskery.models.prompt_session import PromptSession  # of no use to the other models

        picture = decode.open_picture(source, max_bytes=self.max_bytes, max_pixels=self.max_pixels)
        return PromptSession(self.model, picture, candidates)

    def video(
        self,
        source: "VideoInput",
        *,
        classes: Sequence[str] | None = (),
        max_side: int | None = None,
        start: float = 0.0,
        end: float | None = None,
        every: int = 1,
        track: bool = True,
        smooth: bool = True,
        lost: float = 2.0,
    ) -> Iterator[SegmentedFrame]:
        """Segment a video frame by frame: a file, a folder of pictures, a camera, ``rtsp://...``, an open binary file,
        bytes, or frames (H, W, 3) uint8 RGB. Nothing is kept of the frames before.

        ``start`` and ``end``: seconds; ``every``: only each N-th frame. Objects get the numbers of their tracks
        (``track``), which they keep when they are hidden for ``lost`` seconds; classes do not flicker (``smooth``).
        Needs the extra ``video`` unless frames are given. Raises ``VideoError``, ``TooLarge``, ``BadRequest``,
        ``MissingExtra``.
        """
        from maskery.inference.video.following import Follower, FollowOptions
        from maskery.inference.video.frames import ReadOptions, ahead
        from maskery.inference.video.sources import open_source
        from maskery.inference.video.tracking import TrackerOptions

        read = ReadOptions(start_s=start, end_s=end, every=every, max_pixels=self.max_pixels)
        asked = RunOptions(classes=_names(classes), max_side=max_side)
        look = self.looking(asked, TrackerOptions.least if track else None)
        with closing(open_source(source, read)) as opened:
            tracker = TrackerOptions(lost_frames=max(1, round(lost * opened.facts.rate / every)))
            follower = Follower(look, FollowOptions(track=track, smooth=smooth, tracker=tracker))
            with closing(ahead(opened.frames())) as frames:
                for frame in frames:
                    picture = decode.open_picture(frame.pixels, max_bytes=self.max_bytes, max_pixels=self.max_pixels)
                    result = follower.look(frame.pixels).result
                    yield SegmentedFrame(result, picture, frame.index, frame.time_s)

    def looking(self, options: RunOptions, least: float | None = None) -> Callable[[Pixels], Result]:
        """The model as a function of the frames of a video, (H, W, 3) uint8 RGB; all of one size have one plan.

        ``least``: of a model of single objects, the least score of those that a tracker is given. The function raises
        ``BadRequest`` at its first call for options that the model does not have.
        """
        plans: dict[tuple[int, ...], Plan] = {}
        if least is not None and task_of(self.card).gives(HasInstances):
            options = replace(options, score=least)

        def look(pixels: Pixels) -> Result:
            picture = decode.open_picture(pixels, max_bytes=self.max_bytes, max_pixels=self.max_pixels)
            if pixels.shape not in plans:
                plans[pixels.shape] = self.model.plan(picture, options)
            return self.model.follow(plans[pixels.shape], picture)

        return look

    def answer(
        self,
        source: Source,
        format: str,
        *,
        classes: Sequence[str] | None = (),
        max_side: int | None = None,
        tile: int | None = None,
        score: float | None = None,
        overlap: float | None = None,
        max_objects: int | None = None,
        prompt: Prompt | None = None,
        candidates: int = 1,
        options: Options = PLAIN_OPTIONS,
        tell: Callable[[str], None] = lambda note: None,
    ) -> bytes:
        """``segment`` and ``encode`` in one step, which takes less memory: huge pictures are answered in bands.

        ``tell`` is called with what should be known of this answer, where there is something.
        """
        find(format, task_of(self.card))
        picture = decode.open_picture(source, max_bytes=self.max_bytes, max_pixels=self.max_pixels)
        run_options = RunOptions(
            classes=_names(classes),
            max_side=max_side,
            maps=wanted_maps(format, options),
            tile=tile,
            score=score,
            overlap=overlap,
            max_objects=max_objects,
            prompt=prompt,
            candidates=candidates,
        )
        plan = self.model.plan(picture, run_options, named(format).demand)
        found = self.model.follow(plan, picture)
        if found.meta.note:
            tell(found.meta.note)
        return encode(found, format, photo_of(picture, plan), options)


def _names(names: object) -> tuple[str, ...]:
    """A name, or several. Raises ``BadRequest`` for anything else."""
    found = (names,) if isinstance(names, str) else () if names is None else names
    listed = tuple(found) if isinstance(found, Iterable) else (found,)
    if not all(isinstance(name, str) for name in listed):
        raise BadRequest(f"Names are {names!r}.", 'Give a tuple of names, ("person", "dog") say.')
    return listed


def _path_name(path: object) -> str:
    """A path as a name, which has a slash. Raises ``BadRequest`` for what is neither."""
    if not isinstance(path, os.PathLike):
        raise BadRequest(f"A model's name cannot be {type(path).__name__}.", "Give a name, or the path of a folder.")
    text = os.fspath(path)
    return text if is_path(text) else f"{text}{os.sep}"


def load(
    name: str | os.PathLike[str] = "everyday",
    *,
    device: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
) -> Segmenter:
    """Load the model ``name``: built-in, pulled, added, or the path of a folder with a ``model.toml``.

    ``device``: "cpu", "cuda" or "auto"; ``threads``: 0 = all usable cores; ``precision``: "float", or "int8" for the
    model's int8 twin; None takes the setting. Raises ``UnknownModel``, ``DeviceError``, ``ModelError``; ``ConfigError``
    where there is no twin. Thread-safe once loaded.
    """
    if not isinstance(name, str):
        name = _path_name(name)
    return open_segmenter(name, load_settings({"device": device, "threads": threads, "precision": precision}))


def open_segmenter(name: str, settings: Settings) -> Segmenter:
    """The model ``name`` with the limits of ``settings``."""
    model = open_model(Store(settings).locate(name), settings.device, settings.threads)
    return Segmenter(model, settings.max_bytes, settings.max_pixels, (name, settings))
