"""The input tensor -> pictures: encoded ones from BYTES, raw ones from UINT8; binary or JSON."""

import math
from typing import Annotated

import msgspec
import numpy as np
from msgspec import UNSET, Meta
from numpy.typing import NDArray

from maskery.core.errors import BadRequest, TooLarge
from maskery.serving.http.json_body import from_base64
from maskery.serving.protocols.open_inference.message import HEADER, InputTensor, Message, only

NAME = "image"
SHAPES = "Send BYTES [N] (encoded pictures) or UINT8 [H, W, 3] or [N, H, W, 3] (RGB)."
# JSON numbers are read in pieces of about this many characters: lists of Python numbers are large.
PIECE = 1 << 20

Picture = bytes | NDArray[np.uint8]
Pixels = list[Annotated[int, Meta(ge=0, le=255)]]
_NOT_STRUCTURE = bytes(set(range(256)) - set(b"[],"))


def pictures(message: Message, at_most: int) -> list[Picture]:
    """The pictures of a request: files as bytes, arrays as (H, W, 3) uint8, some of them views of the body.

    Raises ``BadRequest`` for a tensor that holds no pictures, ``TooLarge`` for too many.
    """
    tensor = _the_only(message.body.inputs)
    count = _count(tensor)
    if count > at_most:
        raise TooLarge(f"{count} pictures in one request.", f"Send at most {at_most}.")
    data = _binary(message, tensor)
    if message.raw:
        return [bytes(message.binary)]
    if tensor.datatype == "BYTES":
        return _split_elements(data, count) if data is not None else _from_base64(tensor)
    pixels = np.frombuffer(data, np.uint8) if data is not None else _from_numbers(tensor)
    _expect(len(pixels), tensor)
    return list(pixels.reshape(count, *tensor.shape[-3:]))


def _the_only(inputs: list[InputTensor]) -> InputTensor:
    names = [tensor.name for tensor in inputs]
    if names != [NAME]:
        raise BadRequest(f"The inputs are {names[:8]}, the model has one: {NAME!r}.", SHAPES)
    return inputs[0]


def _count(tensor: InputTensor) -> int:
    """How many pictures a tensor of this type and shape holds."""
    shape = tensor.shape
    if min(shape, default=0) < 1:
        raise BadRequest(f"{NAME} has shape {shape[:8]}: every axis must be at least 1.", SHAPES)
    if tensor.datatype == "BYTES" and (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
        return shape[0]
    if tensor.datatype == "UINT8" and len(shape) in (3, 4) and shape[-1] == 3:
        return shape[0] if len(shape) == 4 else 1
    hint = "FP16 has no JSON form anyway. " if tensor.datatype == "FP16" and tensor.data is not UNSET else ""
    raise BadRequest(f"{NAME} is {tensor.datatype[:20]} {shape[:8]}, which holds no pictures.", hint + SHAPES)


def _binary(message: Message, tensor: InputTensor) -> memoryview | None:
    """The tensor's part of the body, None where its elements are in the JSON."""
    size = only(tensor.parameters, ("binary_data_size",), f"input {NAME!r}").get("binary_data_size")
    if (size is None) == (tensor.data is UNSET):
        raise BadRequest(f"{NAME} needs either 'data' or the parameter 'binary_data_size'.", "Give one of them.")
    if (0 if size is None else size) != len(message.binary) or isinstance(size, bool):
        cure = f"Give {HEADER}, the length of the JSON, and binary_data_size, that of the rest."
        raise BadRequest(f"binary_data_size is {size}, {len(message.binary):,} bytes follow the JSON.", cure)
    return None if size is None else message.binary


def _split_elements(data: memoryview, count: int) -> list[Picture]:
    """BYTES elements: each a length in four bytes, lowest first, and as many bytes."""
    found: list[Picture] = []
    place = 0
    while place < len(data):
        end = place + 4 + int.from_bytes(data[place : place + 4], "little")
        if end > len(data) or place + 4 > len(data) or len(found) == count:
            raise BadRequest(
                f"{NAME} has other than {count} elements, or one is cut off.",
                "Write each as its length (4 bytes, little-endian) and its bytes.",
            )
        found.append(bytes(data[place + 4 : end]))
        place = end
    if len(found) != count:
        raise BadRequest(f"{NAME} has {len(found)} elements, its shape says {count}.", "Correct the shape.")
    return found


def _from_base64(tensor: InputTensor) -> list[Picture]:
    text = _text(tensor)
    try:
        flat = msgspec.json.decode(text, type=list[str | tuple[str]])
        texts = [one if isinstance(one, str) else one[0] for one in flat]
        found: list[Picture] = [from_base64(text, len(text)) for text in texts]
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRequest(f"{NAME} in JSON is not base64 text: {error}.", "Encode each picture in base64.") from error
    except BadRequest as error:
        raise BadRequest(f"{NAME} in JSON is not base64 text: {error.message}", error.cure) from error
    _expect(len(found), tensor)
    return found


def _from_numbers(tensor: InputTensor) -> NDArray[np.uint8]:
    text = _text(tensor)
    if text.translate(None, _NOT_STRUCTURE) not in (_flat(tensor.shape), _nested(tensor.shape)):
        raise BadRequest(f"{NAME}'s data is not of shape {tensor.shape}.", "Give the elements flat, or nested so.")
    text = text.translate(None, b"[]")
    pieces: list[bytes] = []
    place = 0
    while place < len(text):
        end = text.find(b",", place + PIECE)
        end = len(text) if end < 0 else end
        pieces.append(_numbers(text[place:end]))
        place = end + 1
    return np.frombuffer(b"".join(pieces), np.uint8)


def _numbers(text: bytes) -> bytes:
    """JSON numbers, separated by commas -> one byte each."""
    try:
        return bytes(msgspec.json.decode(b"[%b]" % text, type=Pixels))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRequest(f"{NAME} has an element that is no UINT8: {error}.", "Give whole numbers 0..255.") from error


def _text(tensor: InputTensor) -> bytes:
    """The JSON text of ``data``, of which as many elements as the shape says can be expected."""
    assert isinstance(tensor.data, msgspec.Raw)
    text = bytes(tensor.data)
    _expect(text.count(b",") + 1, tensor)
    return text


def _expect(found: int, tensor: InputTensor) -> None:
    expected = math.prod(tensor.shape)
    if found != expected:
        raise BadRequest(f"{NAME} has {found:,} elements, its shape says {expected:,}.", "Correct data or shape.")


def _flat(shape: list[int]) -> bytes:
    return b"[%b]" % (b"," * (math.prod(shape) - 1))


def _nested(shape: list[int]) -> bytes:
    """What is left of a nested list's JSON when only brackets and commas are kept."""
    text = _flat(shape[-1:])
    for size in reversed(shape[:-1]):
        text = b"[%b]" % b",".join([text] * size)
    return text
