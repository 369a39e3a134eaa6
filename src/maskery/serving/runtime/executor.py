"""Where jobs run: a group of jobs of one model in a worker, which decodes each, runs them and writes each answer.

``run_group`` is the worker's code, the same in a thread of this process and in another process: jobs are data, models
and writers are looked up by their names.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

from maskery.core.arrays import Array
from maskery.core.errors import Busy
from maskery.core.process_memory import give_back
from maskery.core.result.capabilities import Result
from maskery.core.timing import Stopwatch
from maskery.inference.pipeline import Model, PreparedPicture
from maskery.inference.source import photo_of
from maskery.serving.http.request_log import request_id
from maskery.serving.runtime.request import InferenceJob, Outcome, Writers
from maskery.serving.runtime.scheduler import JobResult
from maskery.serving.telemetry.events import shares_of

GIVEN_BACK_FROM = 64 << 20
"""Bytes that a group needed, for its freed memory to be returned to the system at once."""


class Executor(Protocol):
    """Works on groups of jobs; all methods are called from the event loop."""

    def submit(self, jobs: Sequence[InferenceJob]) -> "Future[list[JobResult]]":
        """Start a group of jobs of one model with equal ``like``; one result each, in order.

        The future has an exception only where the group as a whole is lost.
        """

    def cancel(self, job_id: int) -> None:
        """Nobody waits for this job any more: it may end early. Without effect on one that has ended."""

    def close(self) -> None:
        """Take no more groups; what runs may end."""


class ThreadExecutor:
    """Worker threads of this process. ``models``: NAME@VERSION -> the loaded model."""

    def __init__(self, slots: int, models: Callable[[str], Model], writers: Writers) -> None:
        self._models, self._writers = models, writers
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="maskery-worker")
        self._cancelled: dict[int, threading.Event] = {}  # of the jobs that run or are about to

    def submit(self, jobs: Sequence[InferenceJob]) -> "Future[list[JobResult]]":
        """As ``Executor.submit``."""
        for job in jobs:
            self._cancelled[job.id] = threading.Event()
        return self._threads.submit(self._run, jobs)

    def cancel(self, job_id: int) -> None:
        """As ``Executor.cancel``."""
        if event := self._cancelled.get(job_id):
            event.set()

    def close(self) -> None:
        """As ``Executor.close``."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self, jobs: Sequence[InferenceJob]) -> list[JobResult]:
        try:
            events = self._cancelled
            return run_group(jobs, self._models(jobs[0].model), self._writers, lambda job_id: events[job_id].is_set())
        finally:
            for job in jobs:
                del self._cancelled[job.id]


def run_group(
    jobs: Sequence[InferenceJob],
    model: Model,
    writers: Writers,
    is_cancelled: Callable[[int], bool] = lambda job_id: False,
) -> list[JobResult]:
    """Work on jobs of ``model`` that are like each other. A job that fails has its error in its result."""
    token = request_id.set(jobs[0].request_id)
    group = _Group(model, writers, is_cancelled)
    try:
        return [group.alone(jobs[0])] if jobs[0].plan.alone else group.together(jobs)
    finally:
        request_id.reset(token)
        if sum(job.plan.need_bytes for job in jobs) >= GIVEN_BACK_FROM:
            give_back()


class _Group:
    """One call of ``run_group``."""

    def __init__(self, model: Model, writers: Writers, is_cancelled: Callable[[int], bool]) -> None:
        self._model, self._writers, self._is_cancelled = model, writers, is_cancelled
        self._started = time.perf_counter()

    def alone(self, job: InferenceJob) -> JobResult:
        """A job of several runs, which looks between them whether it was cancelled: they can take a minute in all."""

        def check_cancelled() -> None:
            if self._is_cancelled(job.id):
                raise Busy("The caller has left.", "Ask again.")

        watch = self._watch(job)
        try:
            result = self._model.follow(job.plan, job.picture, watch, check_cancelled)
            return self._written(job, result, watch)
        except Exception as error:
            return JobResult(error=error)

    def together(self, jobs: Sequence[InferenceJob]) -> list[JobResult]:
        """Decode each picture, run them as one batch, write each answer."""
        results = [JobResult()] * len(jobs)
        prepared: dict[int, PreparedPicture] = {}
        for i, job in enumerate(jobs):
            try:
                prepared[i] = self._model.prepare(job.plan, job.picture, self._watch(job))
            except Exception as error:
                results[i] = JobResult(error=error)
        try:
            outputs = self._model.infer(list(prepared.values())) if prepared else []
        except Exception as error:
            return [result if result.error else JobResult(error=error) for result in results]
        for (i, one), tensors in zip(prepared.items(), outputs, strict=True):
            results[i] = replace(self._finished(jobs[i], one, tensors), batch=len(outputs))
        return results

    def _watch(self, job: InferenceJob) -> Stopwatch:
        """Begins with the time in the queue, and behind the jobs of the group before this one."""
        waited = (time.perf_counter() - self._started) * 1000
        return Stopwatch({"queue": round(job.queued_ms + waited, 3)})

    def _finished(self, job: InferenceJob, prepared: PreparedPicture, outputs: Mapping[str, Array]) -> JobResult:
        try:
            return self._written(job, self._model.finish(prepared, outputs), prepared.watch)
        except Exception as error:
            return JobResult(error=error)

    def _written(self, job: InferenceJob, result: Result, watch: Stopwatch) -> JobResult:
        with watch.stage("encode"):
            outcome = Outcome(result, self._model.card, job.picture, photo_of(job.picture, job.plan))
            value = self._writers[job.answer.writer].write(outcome, job.answer.options)
        return JobResult(value=value, timings_ms=watch.timings_ms, shares=shares_of(result))
