"""A body by its header: JSON alone, JSON and binary tensors, a bare picture."""

import pytest

from maskery.core.errors import BadRequest
from maskery.serving.protocols.open_inference.message import PARAMETERS, flag, only, split

JSON = b'{"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES"}]}'


def test_json_alone() -> None:
    message = split(JSON, None)
    assert [tensor.name for tensor in message.body.inputs] == ["image"]
    assert (bytes(message.binary), message.raw) == (b"", False)


def test_binary_tensors_follow_the_json() -> None:
    message = split(JSON + b"xyz", str(len(JSON)))
    assert bytes(message.binary) == b"xyz"


def test_a_length_of_0_means_a_bare_picture() -> None:
    message = split(b"jpeg", "0")
    assert (message.raw, bytes(message.binary)) == (True, b"jpeg")
    assert message.body.inputs[0].parameters == {"binary_data_size": 4}


@pytest.mark.parametrize("header", ["", "-1", "1.0", "x", "1000", "9" * 13])
def test_a_length_that_is_none(header: str) -> None:
    with pytest.raises(BadRequest, match="Inference-Header-Content-Length"):
        split(JSON, header)


def test_parameters() -> None:
    assert PARAMETERS == ("max_side", "classes", "binary_data_output")
    only({"max_side": 5}, PARAMETERS, "the request")
    with pytest.raises(BadRequest, match="'max_sid' of the request") as error:
        only({"max_sid": 5}, PARAMETERS, "the request")
    assert "'max_side'" in error.value.cure
    assert flag({}, "binary_data", default=True) is True
    assert flag({"binary_data": False}, "binary_data", default=True) is False
    with pytest.raises(BadRequest, match="'binary_data' is 1"):
        flag({"binary_data": 1}, "binary_data", default=True)
