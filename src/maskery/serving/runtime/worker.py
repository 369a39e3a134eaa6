"""What a worker thread does with a group of jobs: decode each, run them, write each answer. What fails, fails alone."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from maskery.core.errors import Busy
from maskery.core.picture.decode import Picture
from maskery.core.plan import Plan
from maskery.core.process_memory import give_back
from maskery.core.result.banded import BandedResult
from maskery.core.result.types import Result
from maskery.core.timing import Stopwatch
from maskery.inference.pipeline import Model, PreparedPicture, RunOptions
from maskery.inference.source import photo_of
from maskery.serving.http.request_log import RequestLog
from maskery.serving.runtime.request import Outcome
from maskery.serving.runtime.scheduler import JobResult
from maskery.serving.telemetry.events import Events

T = TypeVar("T")

GIVEN_BACK_FROM = 64 << 20
"""Bytes that a job needed, for its freed memory to be returned to the system at once."""


@dataclass(frozen=True)
class InferenceJob(Generic[T]):
    """An order whose picture's header was accepted and planned for, on its way through the queue.

    ``entered``: when, of ``time.perf_counter``. ``left``: is set when nobody waits for the answer any more.
    """

    picture: Picture
    run_options: RunOptions
    plan: Plan
    model: Model
    finish: Callable[[Outcome], T]
    entered: float
    record: RequestLog
    notes: Events
    left: threading.Event = field(default_factory=threading.Event)

    @property
    def like(self) -> tuple[int, int] | None:
        """Jobs of one model with the same may run together; one of several runs goes alone."""
        return None if self.plan.alone else self.plan.working_wh

    def check_cancelled(self) -> None:
        """Raises ``Busy`` where the caller has left: between tiles, which can take a minute in all."""
        if self.left.is_set():
            raise Busy("The caller has left.", "Ask again.")


def run_group(jobs: Sequence[InferenceJob[Any]]) -> list[JobResult]:
    """Work on jobs of one model that are like each other."""
    try:
        return _alone(jobs[0]) if jobs[0].plan.alone else _together(jobs)
    finally:
        if sum(job.plan.need_bytes for job in jobs) >= GIVEN_BACK_FROM:
            give_back()


def _alone(job: InferenceJob[Any]) -> list[JobResult]:
    watch = _watch(job)
    try:
        result = job.model.follow(job.plan, job.picture, job.run_options, watch, job.check_cancelled)
        return [(_written(job, result, watch), None)]
    except Exception as error:
        return [(None, error)]


def _together(jobs: Sequence[InferenceJob[Any]]) -> list[JobResult]:
    outcomes: list[JobResult] = [(None, None)] * len(jobs)
    prepared: dict[int, PreparedPicture] = {}
    for i, job in enumerate(jobs):
        try:
            prepared[i] = job.model.prepare(job.picture, job.run_options, _watch(job), job.plan)
        except Exception as error:
            outcomes[i] = None, error
    try:
        outputs = jobs[0].model.infer(list(prepared.values())) if prepared else []
    except Exception as error:
        return [(None, outcome[1] or error) for outcome in outcomes]
    if outputs:
        jobs[0].notes.ran(jobs[0].model.key, len(outputs))
    for (i, one), output in zip(prepared.items(), outputs, strict=True):
        try:
            outcomes[i] = _finished(jobs[i], one, output), None
        except Exception as error:
            outcomes[i] = None, error
    return outcomes


def _watch(job: InferenceJob[Any]) -> Stopwatch:
    return Stopwatch({"queue": round((time.perf_counter() - job.entered) * 1000, 3)})


def _finished(job: InferenceJob[T], prepared: PreparedPicture, output: NDArray[np.generic]) -> T:
    return _written(job, job.model.finish(prepared, output), prepared.watch)


def _written(job: InferenceJob[T], result: Result | BandedResult, watch: Stopwatch) -> T:
    with watch.stage("encode"):
        answer = job.finish(Outcome(result, job.model.card, job.picture, photo_of(job.picture, job.plan)))
    job.notes.worked(job.record, job.model.key, result, watch.timings_ms)
    return answer
