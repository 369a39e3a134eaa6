"""What answers of /v1/jobs are made of."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from maskery.jobs.job_request import JobKind
from maskery.jobs.job_store import Job, JobState


class JobProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a job is.

    Attributes:
        done: Pictures or frames that are answered or have failed.
        failed: Of these, those that have failed.
        total: How many there are; null while nobody knows.
        share: ``done`` of ``total``, 0 to 1; null while nobody knows.
        left_seconds: About how long it will take; null while nobody knows.
    """

    done: int
    failed: int
    total: int | None
    share: float | None
    left_seconds: float | None


class JobProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job failed.

    Attributes:
        code: For programs.
        detail: What is wrong.
        cure: What helps.
    """

    code: str
    detail: str
    cure: str


class JobDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it stands.

    Attributes:
        id: Its name.
        kind: pictures or video.
        state: queued, running, succeeded, failed or cancelled.
        request: What is to be done.
        bytes: What was sent.
        created: When it came, ISO 8601 in UTC.
        started: When it was begun first; null before.
        ended: When it ended; null before.
        attempts: How often it was begun; more than once after a restart.
        progress: How far it is.
        counts: What was counted so far: of a video, lines, zones and tracks; null where nothing is.
        problem: Why it failed; null otherwise.
    """

    id: str
    kind: JobKind
    state: JobState
    request: dict[str, Any]
    bytes: int
    created: str
    started: str | None
    ended: str | None
    attempts: int
    progress: JobProgress
    counts: dict[str, Any] | None
    problem: JobProblem | None


class JobList(msgspec.Struct, frozen=True):
    """The caller's own jobs, newest first."""

    jobs: list[JobDocument]


class JobFileEntry(msgspec.Struct, frozen=True):
    """A file of a result: its name, below ``files/``, and its size."""

    name: str
    bytes: int


class JobFiles(msgspec.Struct, frozen=True):
    """The files that a job has written so far, by name."""

    files: list[JobFileEntry]


def document_of(job: Job) -> JobDocument:
    """A job for its owner."""
    return JobDocument(
        id=job.id,
        kind="video" if job.kind == "video" else "pictures",
        state=job.state,
        request=msgspec.json.decode(job.request),
        bytes=job.bytes,
        created=_time(job.created) or "",
        started=_time(job.started),
        ended=_time(job.ended),
        attempts=job.attempts,
        progress=JobProgress(
            done=job.done,
            failed=job.failed,
            total=job.total,
            share=round(min(1.0, job.done / job.total), 4) if job.total else None,
            left_seconds=None if job.left_s is None else round(job.left_s, 1),
        ),
        counts=job.counts,
        problem=JobProblem(**job.problem) if job.problem else None,
    )


def files_of(folder: Path) -> JobFiles:
    """What lies in ``folder``, without what is being written."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()] if folder.is_dir() else []
    entries = [JobFileEntry(path.relative_to(folder).as_posix(), path.stat().st_size) for path in found]
    return JobFiles([one for one in entries if not _unfinished(one.name)])


def _unfinished(name: str) -> bool:
    return name.endswith(".partial") or ".parts/" in f"{name}/"


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
