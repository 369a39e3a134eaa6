"""Outputs as JSON and as binary data, to the byte."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from starlette.responses import Response, StreamingResponse

from maskery.core.errors import TooLarge
from maskery.models.card_toml import load_card
from maskery.models.catalog import builtin
from maskery.serving.protocols.open_inference.answer import JSON_NUMBERS_AT_MOST, answer, check_json_size
from maskery.serving.protocols.open_inference.outputs import RequestedOutput, outputs_of

CARD = load_card(builtin()["everyday"] / "model.toml")
MAP, MASK = outputs_of(CARD)["class_map"], outputs_of(CARD)["mask_png"]
IDS = np.array([[1, 2], [3, 4]], np.uint8)
HEAD = b'{"model_name":"everyday","model_version":"1.0.0"'


def body(response: Response) -> bytes:
    if not isinstance(response, StreamingResponse):
        return bytes(response.body)

    async def read() -> bytes:
        return b"".join([bytes(part) async for part in response.body_iterator])  # type: ignore[arg-type]

    return asyncio.run(read())


def test_numbers_in_json() -> None:
    found = answer(CARD, "7", [RequestedOutput(MAP, binary=False)], [[IDS]])
    output = b'{"name":"class_map","datatype":"UINT8","shape":[1,2,2],"data":[1,2,3,4]}'
    assert body(found) == HEAD + b',"id":"7","outputs":[' + output + b"]}"


def test_bytes_in_json_are_base64() -> None:
    found = answer(CARD, None, [RequestedOutput(MASK, binary=False)], [[b"png"]])
    output = (
        b'{"name":"mask_png","datatype":"BYTES","shape":[1],"data":["cG5n"],'
        b'"parameters":{"content_type":"image/png;base64"}}'
    )
    assert body(found) == HEAD + b',"outputs":[' + output + b"]}"


def test_binary_data_follows_in_order() -> None:
    asked = [RequestedOutput(MAP, binary=True), RequestedOutput(MASK, binary=True)]
    found = answer(CARD, None, asked, [[IDS, IDS], [b"a", b"bc"]])
    length = int(found.headers["inference-header-content-length"])
    whole = body(found)
    assert b'"shape":[2,2,2],"parameters":{"binary_data_size":8}' in whole[:length]
    assert whole[length:] == IDS.tobytes() * 2 + b"\1\0\0\0a\2\0\0\0bc"


def test_numbers_in_json_are_bounded() -> None:
    asked = [RequestedOutput(MAP, binary=False)]
    check_json_size(asked, JSON_NUMBERS_AT_MOST)
    with pytest.raises(TooLarge, match="numbers in JSON"):
        check_json_size(asked, JSON_NUMBERS_AT_MOST + 1)
    check_json_size([replace(asked[0], binary=True)], JSON_NUMBERS_AT_MOST + 1)
