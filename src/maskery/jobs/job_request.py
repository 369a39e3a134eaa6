"""What a job is to do, as callers write it in JSON: the options of ``maskery folder`` or ``maskery video``."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest, nearest
from maskery.core.plan import RunOptions
from maskery.core.settings import Settings
from maskery.encode.registry import find, parse_options
from maskery.inference.pipeline import check
from maskery.inference.tasks.registry import task_of
from maskery.inference.video.av_reader import load_av
from maskery.jobs.folder.answer_options import AnswerOptions
from maskery.jobs.video_request import VideoRequest, request_from

JobKind = Literal["pictures", "video"]
Side = Annotated[int, Meta(ge=1, le=100_000)]


class PicturesRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The options of a job on many pictures.

    Attributes:
        model: Its name; None = the server's default.
        formats: What is written for each picture.
        options: Of the formats, as text.
        classes: Only these; empty = all.
        max_side: Longest side, in pixels, of what the model sees.
        tile: Side of tiles, in pixels of the picture; 0 = none.
        collect: ``coco`` also writes one file of all pictures.
    """

    model: str | None = None
    formats: tuple[str, ...] = ("mask",)
    options: dict[str, str] = {}
    classes: tuple[str, ...] = ()
    max_side: Side | None = None
    tile: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    collect: Literal["coco"] | None = None

    def answer_options(self, model: str) -> AnswerOptions:
        """For a folder run by ``model``."""
        return AnswerOptions(
            model=model,
            formats=tuple(dict.fromkeys(self.formats)),
            options=self.options,
            classes=self.classes,
            max_side=self.max_side,
            tile=self.tile,
            coco=self.collect == "coco",
        )

    def check(self, card: ModelCard) -> None:
        """Raises ``BadRequest`` for what a model with this card, or the formats, cannot do."""
        if not self.formats:
            raise BadRequest("formats is empty.", "Name what is to be written: mask, say.")
        task = task_of(card)
        encoders = [find(name, task) for name in self.formats]
        for name in self.options:
            if not any(name in encoder.options for encoder in encoders):
                raise BadRequest(f"None of the formats has an option {name!r}.", "docs/formats.md lists the options.")
        for encoder in encoders:
            parse_options({k: v for k, v in self.options.items() if k in encoder.options}, encoder.name)
        check(RunOptions(classes=self.classes, max_side=self.max_side, tile=self.tile), card)


class JobRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be done with the files of a job.

    Attributes:
        kind: ``pictures``, several or a zip of them, or ``video``.
        options: Those of the kind: of PicturesRequest or of VideoRequest (docs/jobs.md).
        url: Where the one file is, instead of in the request.
    """

    kind: JobKind = "pictures"
    options: dict[str, Any] = {}
    url: str | None = None

    def pictures(self) -> PicturesRequest:
        """The options of a job on pictures. Raises ``BadRequest`` naming the nearest known option."""
        known = PicturesRequest.__struct_fields__
        for name in self.options:
            if name not in known:
                raise BadRequest(f"A job on pictures has no option {name!r}.", nearest(name, known))
        try:
            return msgspec.convert(self.options, PicturesRequest)
        except msgspec.ValidationError as error:
            raise BadRequest(f"The options of the job cannot be read: {error}.", "See docs/jobs.md.") from error

    def video(self) -> VideoRequest:
        """The options of a job on a video. Raises ``BadRequest`` naming the nearest known option."""
        return request_from(self.options)

    @property
    def model(self) -> str | None:
        """The model that is asked for. Raises ``BadRequest`` for what is no name."""
        name = self.options.get("model")
        if name is not None and not isinstance(name, str):
            raise BadRequest("model is no text.", "Give the name of a model.")
        return name

    def check(self, card: ModelCard, max_pixels: int) -> None:
        """Raises ``BadRequest`` for what a model with this card cannot do, as far as it is known before the work;
        ``MissingExtra`` for a video where videos cannot be read.
        """
        if self.kind == "pictures":
            self.pictures().check(card)
        else:
            if find_spec("av") is None:
                load_av()
            options = self.video().options(max_pixels)
            check(options.run, card)


def parse_request(text: bytes) -> JobRequest:
    """JSON -> the request; nothing is a job on pictures. Raises ``BadRequest``."""
    try:
        return msgspec.json.decode(text or b"{}", type=JobRequest)
    except msgspec.DecodeError as error:
        raise BadRequest(f"The job is not understood: {error}.", "docs/jobs.md has every option of a job.") from error


KEPT_SETTINGS = ("cache", "device", "precision", "mirror", "offline", "max_bytes", "max_pixels", "model")


class StoredJob(msgspec.Struct, frozen=True, kw_only=True):
    """``job.json``.

    Attributes:
        request: What is to be done.
        model: By the name that the server knows it by.
        settings: ``KEPT_SETTINGS`` of the server.
    """

    request: JobRequest
    model: str
    settings: dict[str, Any]


def write_job_file(folder: Path, request: JobRequest, model: str, settings: Settings) -> None:
    """Raises ``OSError``."""
    kept = {name: getattr(settings, name) for name in KEPT_SETTINGS}
    file = StoredJob(request=request, model=model, settings=kept)
    (folder / "job.json").write_bytes(msgspec.json.encode(file))
