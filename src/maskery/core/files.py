"""Files and folders that appear whole or not at all: written beside their name, flushed to the disk, then renamed."""

import os
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from maskery.core.errors import OutputError


def without_mark(data: bytes) -> bytes:
    """A UTF-8 text without the byte order mark that editors on Windows put before it."""
    return data.removeprefix(b"\xef\xbb\xbf")


PICTURE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".j2k",
    ".heic", ".heif",
)  # fmt: skip
"""Files of these names are pictures wherever folders are read, whether they can be read or not."""


def shown_name(name: str) -> str:
    """A file's name as text that every format can hold: what is not UTF-8 or a control character as its code."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(f"\\x{ord(c):02x}" if unicodedata.category(c) == "Cc" or c in "\ufffe\uffff" else c for c in text)


_SYSTEM = frozenset(
    ("@eadir", "__macosx", "#recycle", "$recycle.bin", "system volume information", "lost+found", "thumbs.db")
)


def is_system(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or was put there by a system or a program for itself."""
    return name.startswith(".") or name.lower() in _SYSTEM


def is_own(path: Path, root: Path) -> bool:
    """Whether ``path`` is the user's: neither it nor a folder between it and ``root`` is the system's."""
    return not any(map(is_system, path.relative_to(root).parts))


@contextmanager
def writing(path: Path, cure: str = "Free some disk space, or choose another place.") -> Iterator[None]:
    """Within it an ``OSError`` becomes ``OutputError``: a full disk, a folder without the right to write."""
    try:
        yield
    except BrokenPipeError:  # the reader has gone, which is no fault of the writer's
        raise
    except OSError as error:
        raise OutputError(f"{path} could not be written: {error.strerror or error}.", cure) from error


def partial_of(path: Path) -> Path:
    """The neighbour of ``path`` that is written in its place."""
    return path.with_name(f"{path.name}.partial")


def put_in_place(partial: Path, path: Path) -> None:
    """Rename ``partial``, a file that was flushed, to ``path``; the new name survives a loss of power."""
    partial.replace(path)
    if os.name == "posix":  # elsewhere folders cannot be opened
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which becomes ``path`` at the end.

    After an error ``path`` is what it was, and nothing is left beside it. Raises ``OSError``.
    """
    partial = partial_of(path)
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        put_in_place(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with the line ends that it has; what is no UTF-8 by its code. Raises ``OSError``."""
    with whole_file(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside ``folder`` that takes its place at the end, also where ``folder`` holds something.

    After an error ``folder`` is what it was, and nothing is left beside it. Raises ``OSError``.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        if partial.exists():  # left by a kill
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
        yield partial
        if folder.exists():
            shutil.rmtree(folder)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
