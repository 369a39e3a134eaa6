"""The JSON of an answer has the declared parts, in the declared order, and no others."""

from typing import Any

import msgspec
import numpy as np
import pytest

from maskery.encode.document import SegmentationDocument, encode_document
from maskery.encode.json import document, encode_json, encode_summary, summary
from tests.encode.results import classification, foreground, halves, instances, semantic

ALPHA = np.arange(12 * 16, dtype=np.uint8).reshape(12, 16)
RESULTS = (semantic(halves()), foreground(ALPHA), classification(), instances())


@pytest.mark.parametrize("result", RESULTS)
def test_the_bytes_are_those_of_the_parts(result: Any) -> None:
    assert encode_summary(result) == msgspec.json.encode(summary(result))
    assert encode_json(result) == msgspec.json.encode(document(result))


@pytest.mark.parametrize("result", RESULTS)
def test_an_answer_can_be_read_as_its_type(result: Any) -> None:
    read = msgspec.json.decode(encode_summary(result), type=SegmentationDocument)
    assert read.task == summary(result)["task"]
    assert msgspec.json.encode(read) == encode_summary(result)


def test_an_undeclared_part_is_an_error() -> None:
    parts = summary(RESULTS[0])
    with pytest.raises(msgspec.ValidationError, match="colours"):
        encode_document(parts | {"colours": 3})
    with pytest.raises(msgspec.ValidationError, match="angle"):
        encode_document(parts | {"frame": parts["frame"] | {"angle": 3}})
