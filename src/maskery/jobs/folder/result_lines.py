"""One line of JSON for each picture, in the order of their names: the result of a run, and its memory.

On this machine the lines are one file that grows; a line that a kill has torn is cut off. On a store of objects, which
cannot grow, they are parts of ``PART_LINES`` lines; a part appears whole or not at all.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from maskery.core.errors import ConfigError
from maskery.core.files import writing
from maskery.jobs.folder.listing import Shard
from maskery.jobs.folder.places import LocalPlace, Place, StoredFile

Line = dict[str, Any]
PART_LINES = 100


class ResultLines(Protocol):
    """The lines of one shard."""

    def __iter__(self) -> Iterator[Line]:
        """All lines that were kept, in order."""

    def append(self, line: Line) -> None:
        """Keep a line, whose picture's answers are written. Raises ``OutputError``."""

    def close(self) -> None:
        """Keep what was appended last. Raises ``OutputError``."""


def open_lines(target: Place, shard: Shard) -> ResultLines:
    """The lines that ``target`` has. Raises ``ConfigError`` for a file that holds something else."""
    name = "results" if shard.count == 1 else f"results-{shard.index}-of-{shard.count}"
    if isinstance(target, LocalPlace):
        return _GrowingFile(target.folder / f"{name}.jsonl")
    return _Parts(target, name)


def file_of(line: Line) -> StoredFile:
    """The picture that a line is about."""
    return StoredFile(line["picture"], line["bytes"], line["modified"])


def is_failed(line: Line) -> bool:
    """Whether the picture of a line has no answer."""
    return bool(line["status"] != "ok")


class _GrowingFile:
    """``results.jsonl``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _cut_torn_line(path)
        self._file: BinaryIO | None = None

    def __iter__(self) -> Iterator[Line]:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for number, text in enumerate(file, 1):
                yield _parsed(text, f"{self._path}, line {number}")

    def append(self, line: Line) -> None:
        with writing(self._path):
            self._file = self._file or self._path.open("ab")
            self._file.write(_text(line))
            self._file.flush()

    def close(self) -> None:
        if self._file is None:
            return
        with writing(self._path):
            os.fsync(self._file.fileno())
            self._file.close()
        self._file = None


class _Parts:
    """``results/00000000.jsonl`` and so on."""

    def __init__(self, target: Place, name: str) -> None:
        self._target, self._name = target, name
        self._waiting: list[Line] = []
        self._parts = 0
        while target.exists(self._part(self._parts)):
            self._parts += 1
        if self._parts and len(last := list(self._lines(self._parts - 1))) < PART_LINES:
            self._parts, self._waiting = self._parts - 1, last  # it is written again when it has grown

    def _part(self, number: int) -> str:
        return f"{self._name}/{number:08}.jsonl"

    def _lines(self, number: int) -> Iterator[Line]:
        for text in self._target.read(self._part(number)).splitlines():
            yield _parsed(text, self._part(number))

    def __iter__(self) -> Iterator[Line]:
        for number in range(self._parts):
            yield from self._lines(number)
        yield from list(self._waiting)

    def append(self, line: Line) -> None:
        self._waiting.append(line)
        if len(self._waiting) == PART_LINES:
            self.close()
            self._parts, self._waiting = self._parts + 1, []

    def close(self) -> None:
        if self._waiting:
            self._target.write(self._part(self._parts), b"".join(_text(line) for line in self._waiting))


def _text(line: Line) -> bytes:
    # Names that are no UTF-8 are kept: \udcXX in JSON stands for the byte XX.
    return json.dumps(line, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _parsed(text: bytes, where: str) -> Line:
    try:
        line = json.loads(text)
        if not isinstance(line, dict) or not {"picture", "bytes", "modified", "status"} <= set(line):
            raise ValueError("no line of a run")
    except ValueError as error:
        raise ConfigError(f"{where} is {error}.", "Choose another folder for the answers.") from error
    return line


def _cut_torn_line(path: Path) -> None:
    """Remove what follows the last end of a line."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            step = min(end, 1 << 16)
            file.seek(end - step)
            at = file.read(step).rfind(b"\n")
            if at >= 0:
                file.truncate(end - step + at + 1)
                return
            end -= step
        file.truncate(0)
