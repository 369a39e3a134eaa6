"""The pictures of a place in the order of their names, with memory that does not grow with their number.

Names go to a database in a temporary file; sorting and the question what is done already are the database's work.
"""

import hashlib
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from maskery.core.files import PICTURE_SUFFIXES, is_system
from maskery.jobs.folder.places import StoredFile

AT_ONCE = 1000
"""Rows that one question to the database brings."""


@dataclass(frozen=True)
class Shard:
    """Part ``index`` of ``count``, from 0. Which part a picture is of depends on its name alone."""

    index: int = 0
    count: int = 1

    def has(self, name: str) -> bool:
        """Whether the picture of this name is of this part."""
        if self.count == 1:
            return True
        digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        return int.from_bytes(digest) % self.count == self.index


@dataclass(frozen=True)
class ListedPicture:
    """A picture to work on. ``twin``: the picture before it whose answers would have the same names; "" = none."""

    file: StoredFile
    twin: str = ""


@dataclass(frozen=True)
class PictureCounts:
    """``done``: those with a line of results, of which ``failed`` have no answer."""

    waiting: int
    done: int
    failed: int


def is_picture(name: str) -> bool:
    """By its suffix; hidden files and what systems leave beside pictures are none."""
    if not name.lower().endswith(PICTURE_SUFFIXES):
        return False
    return not any(map(is_system, name.split("/")))


def stem_of(name: str) -> str:
    """The name without its suffix, that of the answers."""
    return name.rpartition(".")[0]


class PictureListing:
    """The pictures of a place and which of them are done. Used by one thread."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="maskery-")
        self._base = sqlite3.connect(Path(self._folder.name) / "listing.sqlite", isolation_level=None)
        self._base.execute("PRAGMA journal_mode = OFF")
        self._base.execute("PRAGMA synchronous = OFF")
        self._base.execute(
            "CREATE TABLE done (name BLOB PRIMARY KEY, bytes INT, modified INT, failed INT) WITHOUT ROWID"
        )
        self._new_table()

    def _new_table(self) -> None:
        self._base.execute("DROP TABLE IF EXISTS pictures")
        self._base.execute(
            "CREATE TABLE pictures (name BLOB PRIMARY KEY, stem BLOB, bytes INT, modified INT) WITHOUT ROWID"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._base.close()
        self._folder.cleanup()

    def fill(self, files: Iterable[StoredFile]) -> int:
        """Take the pictures among ``files`` in place of those of before. Returns their number."""
        self._new_table()
        self._base.execute("BEGIN")
        rows = ((_key(f.name), _key(stem_of(f.name)), f.bytes, f.modified) for f in files if is_picture(f.name))
        self._base.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?)", rows)
        self._base.execute("COMMIT")
        self._base.execute("CREATE INDEX stems ON pictures (stem, name)")
        (count,) = self._base.execute("SELECT COUNT(*) FROM pictures").fetchone()
        return int(count)

    def mark_done(self, done: Iterable[tuple[StoredFile, bool]]) -> None:
        """These need no work, as long as size and time stay the same. (file, whether it failed) each."""
        self._base.execute("BEGIN")
        rows = ((_key(file.name), file.bytes, file.modified, failed) for file, failed in done)
        self._base.executemany("INSERT OR REPLACE INTO done VALUES (?, ?, ?, ?)", rows)
        self._base.execute("COMMIT")

    def is_current(self, file: StoredFile) -> bool:
        """Whether the place holds this file, unchanged."""
        row = self._base.execute("SELECT bytes, modified FROM pictures WHERE name = ?", (_key(file.name),)).fetchone()
        return bool(row == (file.bytes, file.modified))

    def waiting(self, shard: Shard, since: int = 0) -> Iterator[ListedPicture]:
        """The pictures of ``shard`` that are not done, modified at ``since`` or later, by their names' bytes."""
        for key, size, modified, first, failed in self._rows(shard, since):
            if failed is None:
                yield ListedPicture(StoredFile(_name(key), size, modified), _name(first) if first != key else "")

    def count(self, shard: Shard, since: int = 0) -> PictureCounts:
        """How many pictures of ``shard``, modified at ``since`` or later, are where."""
        states = Counter(failed for *_, failed in self._rows(shard, since))
        return PictureCounts(waiting=states[None], done=states[0] + states[1], failed=states[1])

    def _rows(self, shard: Shard, since: int) -> Iterator[tuple[bytes, int, int, bytes, int | None]]:
        """(name, bytes, modified, first name of the same stem, whether it failed or None where it is not done)."""
        last = b""
        while True:
            rows = self._base.execute(
                "SELECT name, bytes, modified,"
                " (SELECT MIN(name) FROM pictures AS other WHERE other.stem = pictures.stem),"
                " (SELECT failed FROM done WHERE done.name = pictures.name"
                " AND done.bytes = pictures.bytes AND done.modified = pictures.modified)"
                " FROM pictures WHERE name > ? ORDER BY name LIMIT ?",
                (last, AT_ONCE),
            ).fetchall()
            yield from (row for row in rows if row[2] >= since and shard.has(_name(row[0])))
            if len(rows) < AT_ONCE:
                return
            last = rows[-1][0]


def _key(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _name(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")
