"""Output tensors -> the response: JSON, then the binary ones in the same order."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from starlette.responses import Response

from maskery.encode.nested import encode_map
from maskery.errors import TooLarge
from maskery.model_card import ModelCard
from maskery.serving.apis.oip.message import HEADER
from maskery.serving.apis.oip.outputs import Asked, Output, Value

# Numbers in JSON take up to twenty times their binary size; above this many of them an answer must be binary.
JSON_NUMBERS_AT_MOST = 1 << 24
PIECE = 1 << 16

Json = dict[str, Any]


def answer(card: ModelCard, id: str | None, asked: Sequence[Asked], columns: Sequence[Sequence[Value]]) -> Response:
    """``columns``: for each output that was asked for, its value for every picture, in order."""
    head: Json = {"model_name": card.name, "model_version": card.version} | ({} if id is None else {"id": id})
    tensors, tail = [], []
    for one, values in zip(asked, columns, strict=True):
        tensor: Json = {"name": one.output.name, "datatype": one.output.datatype, "shape": _shape(values)}
        if one.binary:
            parts = [_binary(value) for value in values]
            tensor["parameters"] = {"binary_data_size": sum(map(len, parts))}
            tail += parts
        else:
            tensor |= _in_json(one.output, values)
        tensors.append(tensor)
    json = msgspec.json.encode(head | {"outputs": tensors})
    if not any(one.binary for one in asked):
        return Response(json, media_type="application/json")
    return Response(b"".join([json, *tail]), headers={HEADER: str(len(json))}, media_type="application/octet-stream")


def check_json_size(asked: Iterable[Asked], pixels: int) -> None:
    """Raises ``TooLarge`` where the pictures have so many pixels that numbers of theirs do not fit into JSON."""
    numbers = pixels * sum(one.output.per_pixel and not one.binary for one in asked)
    if numbers > JSON_NUMBERS_AT_MOST:
        raise TooLarge(
            f"The answer would be {numbers:,} numbers in JSON, the limit is {JSON_NUMBERS_AT_MOST:,}.",
            'Ask for binary data: "parameters": {"binary_data_output": true}.',
        )


def _shape(values: Sequence[Value]) -> list[int]:
    first = values[0]
    return [len(values), *(first.shape if isinstance(first, np.ndarray) else ())]


def _binary(value: Value) -> bytes:
    """Row-major and little-endian; bytes with their length before them."""
    if isinstance(value, bytes):
        return len(value).to_bytes(4, "little") + value
    return value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()


def _in_json(output: Output, values: Sequence[Value]) -> Json:
    """The ``data`` of a tensor: flat, row-major; text as it is, other bytes as base64."""
    if output.datatype != "BYTES":
        return {"data": msgspec.Raw(b"[%b]" % b",".join(_numbers(values)))}
    elements = [value for value in values if isinstance(value, bytes)]
    if output.content_type == "application/json":
        return {"data": [element.decode() for element in elements]}
    encoded = [b64encode(element).decode("ascii") for element in elements]
    return {"data": encoded, "parameters": {"content_type": f"{output.content_type};base64"}}


def _numbers(values: Sequence[Value]) -> Iterable[bytes]:
    """JSON numbers with commas between them, piece by piece: Python's own numbers take 32 bytes each."""
    for value in values:
        assert isinstance(value, np.ndarray)
        if value.ndim == 2 and value.dtype.kind == "u":
            yield encode_map(value.astype(f"u{value.itemsize}", copy=False)).translate(None, b"[]")
            continue
        flat = value.reshape(-1)
        for start in range(0, len(flat), PIECE):
            yield msgspec.json.encode(flat[start : start + PIECE].tolist())[1:-1]
