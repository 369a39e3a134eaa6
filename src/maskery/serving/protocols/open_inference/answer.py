"""Output tensors -> the response: JSON, then the binary ones in the same order."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray
from starlette.responses import Response, StreamingResponse

from maskery.core.card import ModelCard
from maskery.core.errors import TooLarge
from maskery.encode.text import encode_map
from maskery.serving.protocols.open_inference.message import HEADER
from maskery.serving.protocols.open_inference.outputs import OutputValue, RequestedOutput

# Numbers in JSON take up to twenty times their binary size; above this many of them an answer must be binary.
JSON_NUMBERS_AT_MOST = 1 << 24
PIECE = 1 << 16


class OutputDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of the answer's outputs.

    Attributes:
        name: Of the output.
        datatype: Of its elements: UINT8, UINT16, FP32, BYTES.
        shape: Its axes, that of the pictures first.
        data: Its elements, flat and row-major; absent where they follow the JSON.
        parameters: The size of binary data, or the type of encoded elements.
    """

    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | UnsetType = UNSET
    parameters: dict[str, str | int] | UnsetType = UNSET


class InferAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer's JSON. ``id``: the request's."""

    model_name: str
    model_version: str
    id: str | UnsetType = UNSET
    outputs: list[OutputDocument]


def answer(
    card: ModelCard, id: str | None, asked: Sequence[RequestedOutput], columns: Sequence[Sequence[OutputValue]]
) -> Response:
    """``columns``: for each output that was asked for, its value for every picture, in order."""
    columns = [_evened(values) for values in columns]
    head = InferAnswer(model_name=card.name, model_version=card.version, id=UNSET if id is None else id, outputs=[])
    json = _json(head, asked, columns)
    tail = [_binary(value) for one, values in zip(asked, columns, strict=True) if one.binary for value in values]
    if tail:
        start = b"".join(json)
        headers = {HEADER: str(len(start))}
        return Response(b"".join([start, *tail]), headers=headers, media_type="application/octet-stream")
    if any(one.output.per_pixel for one in asked):
        return StreamingResponse(json, media_type="application/json")  # its text would be far larger than its arrays
    return Response(b"".join(json), media_type="application/json")


def _evened(values: Sequence[OutputValue]) -> Sequence[OutputValue]:
    """The same with rows of zeros added to arrays of fewer objects: a tensor is a box."""
    arrays = [value for value in values if isinstance(value, np.ndarray) and value.ndim]
    rows = {len(array) for array in arrays}
    if len(arrays) < len(values) or len(rows) < 2:
        return values
    most = max(rows)
    return [np.concatenate([a, np.zeros((most - len(a), *a.shape[1:]), a.dtype)]) for a in arrays]


def check_json_size(asked: Iterable[RequestedOutput], pixels: int) -> None:
    """Raises ``TooLarge`` where the pictures have so many pixels that numbers of theirs do not fit into JSON."""
    numbers = pixels * sum(one.output.per_pixel and not one.binary for one in asked)
    if numbers > JSON_NUMBERS_AT_MOST:
        raise TooLarge(
            f"The answer would be {numbers:,} numbers in JSON, the limit is {JSON_NUMBERS_AT_MOST:,}.",
            'Ask for binary data: "parameters": {"binary_data_output": true}.',
        )


def _json(
    head: InferAnswer, asked: Sequence[RequestedOutput], columns: Sequence[Sequence[OutputValue]]
) -> Iterator[bytes]:
    """The JSON object, piece by piece."""
    yield msgspec.json.encode(head).removesuffix(b"]}")
    for i, (one, values) in enumerate(zip(asked, columns, strict=True)):
        yield b"," * (i > 0) + msgspec.json.encode(_document(one, values))[:-1]
        if not one.binary and one.output.datatype != "BYTES":
            yield b',"data":['
            yield from _numbers(values)
            yield b"]"
        yield b"}"
    yield b"]}"


def _shape(values: Sequence[OutputValue]) -> list[int]:
    first = values[0]
    if isinstance(first, tuple):
        return [len(values), len(first)]
    return [len(values), *(first.shape if isinstance(first, np.ndarray) else ())]


def _size(value: OutputValue) -> int:
    """Bytes of a value's binary data."""
    if isinstance(value, tuple):
        return sum(map(_size, value))
    return 4 + len(value) if isinstance(value, bytes) else value.nbytes


def _binary(value: OutputValue) -> bytes:
    """Row-major and little-endian; bytes with their length before them."""
    if isinstance(value, tuple):
        return b"".join(map(_binary, value))
    if isinstance(value, bytes):
        return len(value).to_bytes(4, "little") + value
    return value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()


def _elements(value: OutputValue) -> Sequence[bytes]:
    """Those of BYTES."""
    assert not isinstance(value, np.ndarray)
    return (value,) if isinstance(value, bytes) else value


def _document(one: RequestedOutput, values: Sequence[OutputValue]) -> OutputDocument:
    """All but numbers, which are written in pieces. BYTES in JSON: text as it is, other bytes as base64."""
    output, shape = one.output, _shape(values)
    if one.binary:
        size = sum(_size(value) for value in values)
        return OutputDocument(
            name=output.name, datatype=output.datatype, shape=shape, parameters={"binary_data_size": size}
        )
    if output.datatype != "BYTES":
        return OutputDocument(name=output.name, datatype=output.datatype, shape=shape)
    elements = [part for value in values for part in _elements(value)]
    if not output.content_type.startswith("image/"):
        return OutputDocument(
            name=output.name, datatype=output.datatype, shape=shape, data=[element.decode() for element in elements]
        )
    encoded = [b64encode(element).decode("ascii") for element in elements]
    content_type: dict[str, str | int] = {"content_type": f"{output.content_type};base64"}
    return OutputDocument(
        name=output.name, datatype=output.datatype, shape=shape, data=encoded, parameters=content_type
    )


def _numbers(values: Sequence[OutputValue]) -> Iterator[bytes]:
    """JSON numbers with commas between them, flat and row-major, by bands: Python's own numbers take 32 bytes each."""
    comma = b""
    for value in values:
        assert isinstance(value, np.ndarray)
        if not value.size:
            continue
        rows = np.atleast_2d(value)
        height = max(1, PIECE // rows.shape[1])
        for top in range(0, len(rows), height):
            yield comma + _band(rows[top : top + height])
            comma = b","


def _band(rows: NDArray[np.generic]) -> bytes:
    if rows.dtype.kind == "u":
        return encode_map(rows.astype(f"u{rows.itemsize}", copy=False)).translate(None, b"[]")
    return msgspec.json.encode(rows.reshape(-1).tolist())[1:-1]
