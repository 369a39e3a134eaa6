"""The files of a job, from the request straight to the disk: forms, plain bodies and JSON with an address."""

import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import anyio
import anyio.to_thread
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from maskery.core.errors import BadRequest, SlowRequest, TooLarge
from maskery.core.files import writing
from maskery.serving.http.body_quota import let_go

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MOST_FILES = 10_000
MOST_FIELD_BYTES = 1 << 20
UNSOUND = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
MOST_NAME_BYTES = 200


class UploadFolder:
    """Files that arrive for one job. ``digest`` is of all that came, ``bytes`` how much that was."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self._limit = folder, limit
        self.bytes = self.files = 0
        self.fields: dict[str, bytes] = {}
        self._digest = hashlib.sha256()
        self._file: BinaryIO | None = None

    @property
    def digest(self) -> str:
        """Of names and bytes, in the order in which they came."""
        return self._digest.hexdigest()

    def begin(self, name: str) -> None:
        """The next file. Raises ``TooLarge``."""
        self.files += 1
        if self.files > MOST_FILES:
            raise TooLarge(f"A job takes {MOST_FILES} files.", "Send them as a zip, or as several jobs.")
        path = self._free(sound_name(name, self.files))
        self._digest.update(path.name.encode() + b"\0")
        with writing(path):
            self._file = path.open("wb")

    def write(self, data: bytes) -> None:
        """More of the present file. Raises ``TooLarge``, ``OutputError``."""
        assert self._file is not None
        self.bytes += len(data)
        if self.bytes > self._limit:
            raise TooLarge(
                f"A job may have {self._limit:,} bytes.", "Send less, or give the server more: MASKERY_JOB_BYTES."
            )
        self._digest.update(data)
        with writing(self.folder):
            self._file.write(data)

    def end(self) -> None:
        """The present file is whole."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _free(self, name: str) -> Path:
        """``name``, with a number where it is taken already."""
        path, number = self.folder / name, 1
        while path.exists():
            number += 1
            path = self.folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
        return path


def sound_name(name: str, number: int) -> str:
    """A name that every system takes, of no other folder and not hidden; ``file-N`` where nothing is left of it."""
    last = UNSOUND.sub("_", name.replace("\\", "/").rpartition("/")[2]).lstrip(".").strip()
    while len(last.encode()) > MOST_NAME_BYTES:
        last = last[1:]
    return last or f"file-{number}"


async def receive_body(request: Request, upload: UploadFolder, name: str, idle_s: float) -> None:
    """A plain body: one file. Raises ``TooLarge``, ``SlowRequest``, ``BadRequest`` where it is empty."""
    upload.begin(name)
    try:
        async for chunk in _chunks(request, idle_s):
            await anyio.to_thread.run_sync(upload.write, chunk)
    finally:
        upload.end()
    if not upload.bytes:
        raise BadRequest("The request has no file.", "Send it as the body, or as fields of a form named file.")


async def receive_form(request: Request, upload: UploadFolder, idle_s: float) -> None:
    """A form: its files to the disk, its other fields to ``upload.fields``. Raises as ``receive_body``."""
    options = parse_options_header(request.headers.get("content-type", ""))[1]
    reader = _FormReader(upload)
    try:
        parser = MultipartParser(options.get(b"boundary", b""), reader.callbacks())
        async for chunk in _chunks(request, idle_s):
            await anyio.to_thread.run_sync(parser.write, chunk)
        parser.finalize()
    except MultipartParseError as error:
        raise BadRequest(f"The multipart body is broken: {error}.", "Send valid multipart/form-data.") from error
    finally:
        upload.end()
    if not reader.ended:
        raise BadRequest("The multipart body is cut off.", "Send all of it.")


async def _chunks(request: Request, idle_s: float) -> AsyncIterator[bytes]:
    """The body as it comes; what has been taken no longer counts as held in memory."""
    stream = request.stream()
    while True:
        try:
            with anyio.fail_after(idle_s):
                chunk = await anext(stream, None)
        except TimeoutError as error:
            raise SlowRequest(f"Nothing more came for {idle_s:g} seconds.", "Send it without pauses.") from error
        if chunk is None:
            return
        yield chunk
        let_go(len(chunk))


class _FormReader:
    """What python-multipart calls for each part."""

    def __init__(self, upload: UploadFolder) -> None:
        self._upload, self.ended = upload, False
        self._header = [b"", b""]
        self._headers: dict[bytes, bytes] = {}
        self._field: str | None = None
        self._value = b""

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._add(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._add(1, data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": lambda data, start, end: self._data(data[start:end]),
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._headers = {}

    def _add(self, which: int, data: bytes) -> None:
        self._header[which] += data

    def _header_end(self) -> None:
        self._headers[self._header[0].lower()] = self._header[1]
        self._header = [b"", b""]

    def _headers_finished(self) -> None:
        options = parse_options_header(self._headers.get(b"content-disposition", b""))[1]
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options:
            self._field = None
            self._upload.begin(options[b"filename"].decode("utf-8", "replace"))
        else:
            self._field, self._value = name, b""

    def _data(self, data: bytes) -> None:
        if self._field is None:
            self._upload.write(data)
            return
        self._value += data
        if len(self._value) > MOST_FIELD_BYTES:
            raise TooLarge(f"The field {self._field!r} has more than {MOST_FIELD_BYTES} bytes.", "Send it as a file.")

    def _part_end(self) -> None:
        if self._field is None:
            self._upload.end()
        else:
            self._upload.fields[self._field] = self._value

    def _end(self) -> None:
        self.ended = True
