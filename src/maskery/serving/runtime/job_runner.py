"""Starts the process of each job, one after another, keeps what it says, and tells those who watch."""

import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import msgspec

from maskery.core.errors import Busy, UnknownJob
from maskery.core.settings import Settings
from maskery.jobs.job_store import Job, JobEvent, JobState, JobStore, NewJob, bytes_below

log = logging.getLogger("maskery")

ATTEMPTS = 3
"""How often a job is begun whose process dies without a word: it may be too large for the machine."""
SWEEP_S = 60.0
LINE_BYTES = 1 << 20


class JobRunner:
    """All methods are called from the event loop; what touches the disk runs in threads."""

    def __init__(self, settings: Settings) -> None:
        """Raises ``ConfigError`` where the folder of the settings cannot be used."""
        self.settings = settings
        self.store = JobStore(Path(settings.jobs).expanduser())
        self._waiting = asyncio.Event()
        self._changed = asyncio.Event()
        self._running: tuple[str, asyncio.subprocess.Process] | None = None
        self._closing = False

    async def run(self) -> None:
        """Work on jobs until cancelled. Those that were running when a server died go on first."""
        if again := await anyio.to_thread.run_sync(self.store.requeue):
            log.info("%d jobs go on that were running before", again)
        sweeping = asyncio.ensure_future(self._sweep())
        try:
            while True:
                self._waiting.clear()
                job = await anyio.to_thread.run_sync(self.store.next)
                if job is None:
                    await self._waiting.wait()
                else:
                    await self._work(job)
        finally:
            sweeping.cancel()
            self._closing = True
            await self._stop_process()
            self.store.requeue()
            self._tell()
            self.store.close()

    async def submit(self, new: NewJob) -> Job:
        """Queue a job. Raises ``RepeatedJob``."""
        job = await anyio.to_thread.run_sync(self.store.add, new)
        if job.id == new.id:
            await self._note(job.id, {"state": job.state})
        self._waiting.set()
        return job

    async def expect_room(self, owner: str, size: int) -> None:
        """Raises ``Busy`` where the owner has too many unfinished jobs, or the disk's share is used up."""
        jobs = await anyio.to_thread.run_sync(self.store.of, owner)
        unfinished = sum(not job.has_ended for job in jobs)
        if unfinished >= self.settings.max_jobs:
            raise Busy(
                f"{unfinished} jobs of yours are not finished; {self.settings.max_jobs} may be.",
                "Wait for one of them, or cancel one.",
                30,
            )
        used = await anyio.to_thread.run_sync(bytes_below, [self.store.folder])
        if used + size > self.settings.jobs_disk:
            raise Busy(
                f"The jobs' files take {used >> 20} MiB of {self.settings.jobs_disk >> 20}.",
                "Remove finished jobs, or try again later.",
                60,
            )

    async def cancel(self, job_id: str) -> Job:
        """End a job that has not ended."""
        job = await self._end(job_id, "cancelled")
        if self._running and self._running[0] == job_id:
            await self._stop_process()
        return job

    async def events(self, job: Job, after: int, patience: float = 15.0) -> AsyncIterator[JobEvent | None]:
        """Those with a higher number than ``after``, as they come, until the job has ended; None after ``patience``
        seconds without one.
        """
        while True:
            changed = self._changed
            for event in await anyio.to_thread.run_sync(self.store.events, job.id, after):
                after = event.number
                yield event
            if self._closing or (now := await self._now(job)) is None:
                return
            if now.has_ended and not await anyio.to_thread.run_sync(self.store.events, job.id, after):
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), patience)
                continue
            yield None

    async def _now(self, job: Job) -> Job | None:
        """How it stands; None where it was removed."""
        try:
            return await anyio.to_thread.run_sync(self.store.get, job.id, job.owner)
        except UnknownJob:
            return None

    async def _work(self, job: Job) -> None:
        """One attempt at a job. What goes wrong here is this job's alone: the next one has its turn."""
        problem: dict[str, str] | None = None
        try:
            code, problem = await self._attempt(job)
        except Exception as error:
            log.exception("job %s could not be worked on", job.id)
            await self._stop_process()
            code, problem = 1, {"code": "internal-error", "detail": f"{type(error).__name__}: {error}", "cure": ""}
        self._running = None
        now = await self._now(job)
        if now is not None and not now.has_ended:
            await self._after(job, code, problem)

    async def _attempt(self, job: Job) -> tuple[int, dict[str, str] | None]:
        """The process's exit code, and why it says that it failed."""
        folder = self.store.folder_of(job.id)
        await self._note(job.id, {"state": "running", "attempt": job.attempts})
        problem: dict[str, str] | None = None
        with (folder / "log.txt").open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "maskery.jobs.child", str(folder)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                limit=LINE_BYTES,
            )
            self._running = (job.id, process)
            assert process.stdout is not None
            while (line := await process.stdout.readline()).endswith(b"\n"):  # a kill may leave half a line
                said = msgspec.json.decode(line, type=dict[str, Any])
                if "problem" in said:
                    problem = said["problem"]
                else:
                    await self._progress(job.id, said)
            return await process.wait(), problem

    async def _after(self, job: Job, code: int, problem: dict[str, str] | None) -> None:
        if code == 0:
            await self._end(job.id, "succeeded")
        elif problem is not None:
            await self._end(job.id, "failed", problem)
        elif job.attempts < ATTEMPTS:
            log.warning("the process of job %s ended with %d and is begun again", job.id, code)
            await anyio.to_thread.run_sync(self.store.requeue)
        else:
            log.error("the process of job %s ended with %d, %d times", job.id, code, ATTEMPTS)
            said = f"Its process ended {ATTEMPTS} times without a word, the last time with {code}."
            cure = "It may need more memory than there is: give max_side, or smaller files."
            await self._end(job.id, "failed", {"code": "job-died", "detail": said, "cure": cure})

    async def _progress(self, job_id: str, said: dict[str, Any]) -> None:
        done, failed, total, left = (said[key] for key in ("done", "failed", "total", "left_s"))
        await anyio.to_thread.run_sync(self.store.progress, job_id, done, failed, total, left)
        if counts := said.get("counts"):
            await anyio.to_thread.run_sync(self.store.count, job_id, counts)
        await self._note(job_id, {"state": "running"} | said)

    async def _end(self, job_id: str, state: JobState, problem: dict[str, str] | None = None) -> Job:
        job = await anyio.to_thread.run_sync(self.store.end, job_id, state, problem)
        if job.state == state:
            await self._note(job_id, {"state": state} | ({"problem": problem} if problem else {}))
        return job

    async def _note(self, job_id: str, event: dict[str, Any]) -> None:
        await anyio.to_thread.run_sync(self.store.note, job_id, event)
        self._tell()

    def _tell(self) -> None:
        """Wake everybody who watches."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _stop_process(self) -> None:
        """What it has not written down is done again; nothing else is lost."""
        if self._running and self._running[1].returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._running[1].send_signal(signal.SIGKILL)
            await self._running[1].wait()

    async def _sweep(self) -> None:
        while True:
            before = time.time() - self.settings.job_hours * 3600
            for job_id in await anyio.to_thread.run_sync(self.store.expire, before):
                log.info("job %s was removed, %g hours after its end", job_id, self.settings.job_hours)
            await asyncio.sleep(SWEEP_S)
