"""Jobs and their events in one SQLite file (WAL), their pictures and answers in folders beside it.

Whatever moment a process dies at, the file is sound: a job that was running is found again and goes on.
"""

import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import msgspec

from maskery.core.errors import ConfigError, InputError, UnknownJob

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
STATES: tuple[JobState, ...] = get_args(JobState)
ENDED = ("succeeded", "failed", "cancelled")
EVENTS_KEPT = 1000
"""Of one job; older ones are forgotten."""

_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, request BLOB NOT NULL,
    idempotency TEXT, digest TEXT NOT NULL, bytes INT NOT NULL, created REAL NOT NULL, started REAL, ended REAL,
    done INT NOT NULL DEFAULT 0, failed INT NOT NULL DEFAULT 0, total INT, left_s REAL,
    problem BLOB, counts BLOB, attempts INT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX IF NOT EXISTS once ON jobs (owner, idempotency) WHERE idempotency IS NOT NULL;
CREATE TABLE IF NOT EXISTS events (
    job TEXT NOT NULL, number INT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (job, number)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job as it stands.

    Attributes:
        id: Random, 22 characters of a-z, A-Z, 0-9, "-" and "_".
        owner: Whose key sent it; "" on a server without keys.
        kind: What is done, the tag of its request.
        state: Where it stands.
        request: What is to be done, JSON.
        digest: Of request and bytes, for callers who send it twice.
        bytes: What was sent.
        created: Seconds since 1970.
        started: The same, of the first attempt; None before.
        ended: The same; None before.
        done: Pictures or frames that are answered or have failed.
        failed: Of these, those that have failed.
        total: How many there are; None while nobody knows.
        left_s: Seconds that are left, about; None where nobody knows.
        problem: Why it failed: code, detail and cure.
        counts: What was counted so far, by kind of job.
        attempts: How often it was begun: more than once after a restart.
    """

    id: str
    owner: str
    kind: str
    state: JobState
    request: bytes
    digest: str
    bytes: int
    created: float
    started: float | None
    ended: float | None
    done: int
    failed: int
    total: int | None
    left_s: float | None
    problem: dict[str, str] | None
    counts: dict[str, Any] | None
    attempts: int

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ENDED


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """What a caller sends.

    Attributes:
        id: As ``new_id`` gives it.
        owner: Whose key it is.
        kind: The request's tag.
        request: JSON.
        digest: Of request and bytes.
        bytes: How many were sent.
        idempotency: The caller's own name for it; the same one twice is one job.
    """

    id: str
    owner: str
    kind: str
    request: bytes
    digest: str
    bytes: int
    idempotency: str | None = None


@dataclass(frozen=True)
class JobEvent:
    """``number``: from 1, without gaps, within one job. ``data``: JSON."""

    number: int
    data: bytes


class RepeatedJob(InputError):
    """The same Idempotency-Key with another request."""

    code = "other-request-with-this-key"


def new_id() -> str:
    """A name that cannot be guessed."""
    return secrets.token_urlsafe(16)


class JobStore:
    """All jobs of a server. Thread-safe; each call is a transaction of its own."""

    def __init__(self, folder: Path) -> None:
        """Raises ``ConfigError`` where the folder cannot be used."""
        self.folder = folder
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(folder / "jobs.sqlite", isolation_level=None, check_same_thread=False)
            self._base.row_factory = sqlite3.Row
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = NORMAL")
            self._base.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"Jobs cannot be kept in {folder}: {error}.", "Choose another --jobs folder.") from error

    def close(self) -> None:
        with self._lock:
            self._base.close()

    def folder_of(self, job_id: str) -> Path:
        """Where a job's files are: ``in`` what was sent, ``out`` the answers."""
        return self.folder / job_id

    def add(self, new: NewJob) -> Job:
        """Queue a job. Of an idempotency key that is known, the job that it began. Raises ``RepeatedJob``."""
        with self._lock:
            if new.idempotency is not None:
                query = "SELECT * FROM jobs WHERE owner = ? AND idempotency = ?"
                row = self._base.execute(query, (new.owner, new.idempotency)).fetchone()
                if row is not None:
                    before = _job(row)
                    if before.digest != new.digest:
                        raise RepeatedJob(
                            f"The Idempotency-Key {new.idempotency!r} was sent with another request before.",
                            "Send another key with another request.",
                        )
                    return before
            self._base.execute(
                "INSERT INTO jobs (id, owner, kind, state, request, idempotency, digest, bytes, created)"
                " VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, ?)",
                (new.id, new.owner, new.kind, new.request, new.idempotency, new.digest, new.bytes, time.time()),
            )
            return self._get(new.id)

    def get(self, job_id: str, owner: str) -> Job:
        """Raises ``UnknownJob``, also for a job of somebody else."""
        with self._lock:
            job = self._get(job_id)
        if job.owner != owner:
            raise _unknown(job_id)
        return job

    def of(self, owner: str) -> list[Job]:
        """The jobs of one owner, newest first."""
        with self._lock:
            query = "SELECT * FROM jobs WHERE owner = ? ORDER BY created DESC, rowid DESC"
            return [_job(row) for row in self._base.execute(query, (owner,))]

    def next(self) -> Job | None:
        """The job whose turn it is, now running: of the owner who has had the fewest, the oldest."""
        with self._lock:
            row = self._base.execute(
                "SELECT * FROM jobs WHERE state = 'queued' ORDER BY"
                " (SELECT COUNT(*) FROM jobs AS other WHERE other.owner = jobs.owner AND other.started IS NOT NULL),"
                " created, rowid LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            self._base.execute(
                "UPDATE jobs SET state = 'running', started = COALESCE(started, ?), attempts = attempts + 1"
                " WHERE id = ?",
                (time.time(), row["id"]),
            )
            return self._get(row["id"])

    def progress(self, job_id: str, done: int, failed: int, total: int | None, left_s: float | None) -> None:
        """Where a running job stands."""
        with self._lock:
            self._base.execute(
                "UPDATE jobs SET done = ?, failed = ?, total = ?, left_s = ? WHERE id = ? AND state = 'running'",
                (done, failed, total, left_s, job_id),
            )

    def count(self, job_id: str, counts: dict[str, Any]) -> None:
        """What was counted so far."""
        with self._lock:
            self._base.execute("UPDATE jobs SET counts = ? WHERE id = ?", (msgspec.json.encode(counts), job_id))

    def end(self, job_id: str, state: JobState, problem: dict[str, str] | None = None) -> Job:
        """A job that was running or queued ends; one that has ended already stays as it is."""
        with self._lock:
            self._base.execute(
                "UPDATE jobs SET state = ?, ended = ?, left_s = NULL, problem = ?"
                " WHERE id = ? AND state IN ('queued', 'running')",
                (state, time.time(), msgspec.json.encode(problem) if problem else None, job_id),
            )
            return self._get(job_id)

    def requeue(self) -> int:
        """Jobs that were running when the process died are queued again. Returns how many."""
        with self._lock:
            return self._base.execute("UPDATE jobs SET state = 'queued' WHERE state = 'running'").rowcount

    def remove(self, job_id: str) -> None:
        """The job, its events and its files; of no effect where there is none."""
        with self._lock:
            self._base.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
            self._base.execute("DELETE FROM events WHERE job = ?", (job_id,))
        shutil.rmtree(self.folder_of(job_id), ignore_errors=True)

    def expire(self, before: float) -> list[str]:
        """Remove what ended before a time, in seconds since 1970, and folders that no job has. Returns the jobs."""
        with self._lock:
            old = [row["id"] for row in self._base.execute("SELECT id FROM jobs WHERE ended < ?", (before,))]
            known = {row["id"] for row in self._base.execute("SELECT id FROM jobs")}
        for job_id in old:
            self.remove(job_id)
        for folder in self.folder.iterdir():
            if folder.is_dir() and folder.name not in known and folder.stat().st_mtime < before:
                shutil.rmtree(folder, ignore_errors=True)  # of an upload that a kill has ended
        return old

    def states(self) -> dict[str, int]:
        """How many jobs are in each state."""
        with self._lock:
            rows = self._base.execute("SELECT state, COUNT(*) AS n FROM jobs GROUP BY state").fetchall()
        return dict.fromkeys(STATES, 0) | {row["state"]: row["n"] for row in rows}

    def note(self, job_id: str, event: dict[str, Any]) -> JobEvent:
        """Add an event to a job's."""
        data = msgspec.json.encode(event)
        with self._lock:
            query = "SELECT COALESCE(MAX(number), 0) + 1 FROM events WHERE job = ?"
            (number,) = self._base.execute(query, (job_id,)).fetchone()
            self._base.execute("INSERT INTO events VALUES (?, ?, ?)", (job_id, number, data))
            self._base.execute("DELETE FROM events WHERE job = ? AND number <= ?", (job_id, number - EVENTS_KEPT))
        return JobEvent(number, data)

    def events(self, job_id: str, after: int) -> list[JobEvent]:
        """Those with a higher number than ``after``, in order."""
        with self._lock:
            query = "SELECT number, data FROM events WHERE job = ? AND number > ? ORDER BY number"
            return [JobEvent(row["number"], row["data"]) for row in self._base.execute(query, (job_id, after))]

    def _get(self, job_id: str) -> Job:
        row = self._base.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
        if row is None:
            raise _unknown(job_id)
        return _job(row)


def bytes_below(folders: Iterable[Path]) -> int:
    """What the files in some folders take."""
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())


def _unknown(job_id: str) -> UnknownJob:
    return UnknownJob(
        f"There is no job {job_id[:80]!r}.", "GET /v1/jobs lists yours; a job that ended is kept for a time."
    )


def _job(row: sqlite3.Row) -> Job:
    return Job(
        id=row["id"],
        owner=row["owner"],
        kind=row["kind"],
        state=cast(JobState, row["state"]),
        request=row["request"],
        digest=row["digest"],
        bytes=row["bytes"],
        created=row["created"],
        started=row["started"],
        ended=row["ended"],
        done=row["done"],
        failed=row["failed"],
        total=row["total"],
        left_s=row["left_s"],
        problem=msgspec.json.decode(row["problem"]) if row["problem"] else None,
        counts=msgspec.json.decode(row["counts"]) if row["counts"] else None,
        attempts=row["attempts"],
    )
