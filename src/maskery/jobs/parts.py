"""Work in parts on the disk: what was done before an interruption is there afterwards.

A part is some hundred frames: their records, the encoded frames, and what the smoothing knows at its end. Its records
are written last, as a whole file, so a part is whole where its records are. A kill loses the part that was being made.
"""

import hashlib
import io
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import msgspec
import numpy as np

from maskery.core.arrays import Array
from maskery.core.errors import BadRequest, ConfigError
from maskery.core.files import whole_file
from maskery.jobs.records import VideoRecord

JOB, LOCK, THUMBNAILS = "job.json", "lock", "thumbnails"
RECORDS, MEMORY = ".jsonl", ".npz"


class JobFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a folder of parts belongs to.

    Attributes:
        identity: Of the video, the model and the options.
        video: What all frames have in common; None before the first one.
        joined: The last part that was moved into the output, because the disk was full; None = none was.
        joined_to: By codec, the name of the file that the parts up to ``joined`` were moved to.
    """

    identity: str
    video: VideoRecord | None = None
    joined: int | None = None
    joined_to: dict[str, str] = {}


def identity_of(facts: Mapping[str, Any]) -> str:
    """A digest of plain data."""
    return hashlib.sha256(msgspec.json.encode(facts, order="sorted")).hexdigest()


class PartStore:
    """The folder of one job. ``whole``: the numbers of the parts that are whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.job = JobFile(identity="")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else works in the folder meanwhile. Raises ``ConfigError`` where somebody does."""
        lock = filelock.FileLock(self.folder.with_name(f"{self.folder.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise ConfigError(
                f"Another process works on {self.folder}.", "Wait for it, or choose another -o."
            ) from error
        try:
            yield
        finally:
            lock.release()
            Path(lock.lock_file).unlink(missing_ok=True)

    def open(self, identity: str, resume: bool) -> list[int]:
        """The parts that an earlier run has left, from 0 on without a gap; what is not whole is removed.

        Raises ``BadRequest`` where there are some and ``resume`` is not asked for, ``ConfigError`` where they are of
        another video or other options.
        """
        file = self.folder / JOB
        if not file.is_file():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.job = JobFile(identity=identity)
            return []
        self.job = msgspec.json.decode(file.read_bytes(), type=JobFile)
        if not resume:
            raise BadRequest(
                f"{self.folder} holds an earlier run that was interrupted.",
                "Add --resume to go on with it, or remove the folder.",
            )
        if self.job.identity != identity:
            raise ConfigError(
                f"{self.folder} is of another video, model, or other options.",
                "Use what the interrupted run was given, or remove the folder.",
            )
        whole = list[int]()
        while self.records(len(whole)).is_file():
            whole.append(len(whole))
        self.drop_from(len(whole))
        return whole

    def begin(self, video: VideoRecord) -> None:
        """Make the folder. Raises ``OSError``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.save(msgspec.structs.replace(self.job, video=video))

    def save(self, job: JobFile) -> None:
        self.job = job
        with whole_file(self.folder / JOB) as file:
            file.write(msgspec.json.encode(job))

    def records(self, part: int) -> Path:
        return self.folder / f"{part:06}{RECORDS}"

    def frames(self, part: int, codec: str) -> Path:
        return self.folder / f"{part:06}-{codec}.mkv"

    def finish_part(self, part: int, lines: bytes, memory: Mapping[str, Array]) -> None:
        """Write its memory and, last, its records. Raises ``OSError``."""
        if memory:
            data = io.BytesIO()
            np.savez(data, **dict(memory))  # type: ignore[arg-type]
            with whole_file(self.folder / f"{part:06}{MEMORY}") as file:
                file.write(data.getvalue())
        with whole_file(self.records(part)) as file:
            file.write(lines)
        (self.folder / f"{part - 1:06}{MEMORY}").unlink(missing_ok=True)

    def stopped_records(self, part: int, lines: bytes) -> Path:
        """The records of a part that is not whole, which the next run makes anew."""
        path = self.folder / f"{part:06}-stopped{RECORDS}"
        path.write_bytes(lines)
        return path

    def memory(self, part: int) -> Mapping[str, Array]:
        """What the smoothing knew at the end of the part."""
        path = self.folder / f"{part:06}{MEMORY}"
        if not path.is_file():
            return {}
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def drop_from(self, part: int) -> None:
        """Remove this part and all after it."""
        for path in self.folder.glob("[0-9]*"):
            if path.name[:6].isdigit() and int(path.name[:6]) >= part:
                path.unlink()

    def remove(self) -> None:
        """The whole folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
