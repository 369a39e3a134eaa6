"""Tensors that hold pictures, in each form, and those that hold none."""

import base64

import numpy as np
import pytest
from msgspec import Raw

from maskery.core.errors import BadRequest, TooLarge
from maskery.serving.protocols.open_inference.input_tensors import pictures
from maskery.serving.protocols.open_inference.message import InferBody, InputTensor, Message, split

PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def message(shape: list[int], datatype: str, data: bytes | None, binary: bytes = b"") -> Message:
    """One tensor, its elements as JSON text or else after it."""
    parameters: dict[str, str | int | float | bool] = {} if data is not None else {"binary_data_size": len(binary)}
    more = {} if data is None else {"data": Raw(data)}
    return Message(
        InferBody(inputs=[InputTensor(name="image", shape=shape, datatype=datatype, parameters=parameters, **more)]),
        memoryview(binary),
    )


def test_encoded_pictures() -> None:
    binary = b"".join(len(one).to_bytes(4, "little") + one for one in (b"first", b"second"))
    assert pictures(message([2], "BYTES", None, binary), 2) == [b"first", b"second"]
    text = b'["%b"]' % base64.b64encode(b"first")
    assert pictures(message([1], "BYTES", text), 1) == [b"first"]
    assert pictures(message([1, 1], "BYTES", b"[%b]" % text), 1) == [b"first"]
    assert pictures(split(b"jpeg", "0"), 1) == [b"jpeg"]


def test_pixels() -> None:
    flat = str(PIXELS.reshape(-1).tolist()).encode()
    nested = str(PIXELS.tolist()).encode().replace(b" ", b"")
    for one in (message([2, 3, 3], "UINT8", None, PIXELS.tobytes()), message([2, 3, 3], "UINT8", flat)):
        assert np.array_equal(pictures(one, 1)[0], PIXELS)
    assert np.array_equal(pictures(message([1, 2, 3, 3], "UINT8", b"[%b]" % nested), 1)[0], PIXELS)


@pytest.mark.parametrize(
    ("shape", "datatype", "data", "says"),
    [
        ([2, 3, 3], "FP32", b"[]", "FP32"),
        ([2, 3, 4], "UINT8", b"[]", "holds no pictures"),
        ([0], "BYTES", b"[]", "at least 1"),
        ([2], "BYTES", b'["eA=="]', "1 elements, its shape says 2"),
        ([1], "BYTES", b'["!"]', "not base64"),
        ([1, 1, 3], "UINT8", b"[1,2,256]", "no UINT8"),
        ([1, 1, 3], "UINT8", b"[[1,2],3]", "not of shape"),
    ],
)
def test_what_holds_no_pictures(shape: list[int], datatype: str, data: bytes, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        pictures(message(shape, datatype, data), 4)


def test_too_many() -> None:
    with pytest.raises(TooLarge, match="3 pictures"):
        pictures(message([3], "BYTES", b"[]"), 2)
