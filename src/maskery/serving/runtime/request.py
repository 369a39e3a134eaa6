"""What a protocol asks of the inference service, as data, and what the writer of its answer is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from maskery.core.card import ModelCard
from maskery.core.picture.decode import Picture
from maskery.core.picture.stream import Photo, PhotoRows
from maskery.core.plan import PLAIN, PLAIN_DEMAND, Demand, Plan, RunOptions
from maskery.core.result.capabilities import Result, in_one_piece
from maskery.serving.runtime.scheduler import INTERACTIVE

T = TypeVar("T")
WriterOptions = TypeVar("WriterOptions")


@dataclass(frozen=True)
class Outcome:
    """What a writer is given. ``drawn``: the result, in bands where the request's demand allows them; ``shown``: the
    picture that the answer is drawn on, or a reader of its bands, where the demand has it.
    """

    drawn: Result
    card: ModelCard
    picture: Picture
    shown: Photo | None

    @property
    def result(self) -> Result:
        """The result in one piece."""
        return in_one_piece(self.drawn)

    @property
    def photo(self) -> NDArray[np.uint8] | None:
        """(H, W, 3) uint8, the picture in one piece, where the demand has it."""
        return self.picture.rgb() if isinstance(self.shown, PhotoRows) else self.shown


@dataclass(frozen=True)
class AnswerSpec(Generic[T]):
    """How an answer is written, as data: the name of a ``Writer`` in the table of writers, and options for it."""

    writer: str
    options: Any = None


@dataclass(frozen=True)
class Writer(Generic[WriterOptions, T]):
    """An entry of the table of writers. ``name``: "protocol:writer". ``write`` runs where the model does, perhaps in
    another process, so its options and its answer must pickle.
    """

    name: str
    write: Callable[[Outcome, WriterOptions], T]

    def with_options(self, options: WriterOptions) -> AnswerSpec[T]:
        """A job's reference to this writer."""
        return AnswerSpec(self.name, options)


Writers = Mapping[str, Writer[Any, Any]]


def writers_by_name(*writers: Writer[Any, Any]) -> dict[str, Writer[Any, Any]]:
    """The table of writers. Raises ``ValueError`` for a name that occurs twice."""
    table = {writer.name: writer for writer in writers}
    if len(table) < len(writers):
        raise ValueError(f"Two writers have one name among {', '.join(writer.name for writer in writers)}.")
    return table


@dataclass(frozen=True, kw_only=True)
class SegmentRequest(Generic[T]):
    """One picture and the answer that is wanted.

    Attributes:
        source: the file's bytes, or (H, W, 3) uint8 RGB.
        answer: how the answer is written.
        model: a name; None for the default one.
        run_options: the options of the run, or a function that makes them of the opened picture.
        demand: what writing the answer needs: the upright picture, bands, memory.
        upright: whether the EXIF orientation is applied.
        format: what metrics and logs call the answer.
        queue: the queue in which the job waits; None for the model's own.
        priority: the class of the job, ``INTERACTIVE`` or ``BACKGROUND``.
        timeout: seconds until the request is given up; None for no limit but the caller's and the server's.
    """

    source: bytes | NDArray[np.uint8]
    answer: AnswerSpec[T]
    model: str | None = None
    run_options: RunOptions | Callable[[Picture], RunOptions] = PLAIN
    demand: Demand = PLAIN_DEMAND
    upright: bool = True
    format: str = "json"
    queue: str | None = None
    priority: int = INTERACTIVE
    timeout: float | None = None

    @property
    def bytes(self) -> int:
        """Size of the picture's file or array."""
        return self.source.nbytes if isinstance(self.source, np.ndarray) else len(self.source)

    @property
    def protocol(self) -> str:
        """What metrics and logs call the protocol: the first part of the writer's name."""
        return self.answer.writer.partition(":")[0]


@dataclass(frozen=True, kw_only=True)
class InferenceJob:
    """A planned request on its way through a queue. Data only: it pickles, and any executor can work on it.

    Attributes:
        id: unique in the process that made the job.
        picture: the source with the facts of its header, which was accepted.
        model: NAME@VERSION of a model that the executor has loaded or can load.
        plan: how the picture is worked on, the options of the run included.
        answer: how the answer is written.
        request_id: the request's id, for log lines.
        queued_ms: milliseconds between the request's arrival and the start of its group.
    """

    id: int
    picture: Picture
    model: str
    plan: Plan
    answer: AnswerSpec[Any]
    request_id: str = "-"
    queued_ms: float = 0.0

    @property
    def like(self) -> tuple[str, tuple[int, int]] | None:
        """Jobs of equal ``like`` may share a batch; None for a job of several runs, which goes alone."""
        return None if self.plan.alone else (self.model, self.plan.working_wh)


def as_stored(picture: Picture) -> Picture:
    """The picture without its EXIF orientation."""
    size = picture.size_wh[::-1] if picture.orientation >= 5 and picture.format != "TIFF" else picture.size_wh
    return replace(picture, orientation=1, size_wh=size)
