"""ETags, pictures of several, and the grid of a summary."""

import msgspec
import pytest
from starlette.requests import Request

from maskery.core.errors import PictureError, Unchanged
from maskery.core.picture import decode
from maskery.core.plan import RunOptions
from maskery.encode.options import Options
from maskery.models.card_toml import load_card
from maskery.models.catalog import builtin
from maskery.serving.protocols.native.native_request import PictureSource, SegmentParameters
from maskery.serving.protocols.native.segment_answer import (
    SUMMARY_SIDE,
    EncodedAnswer,
    etag_of,
    expect_changed,
    of_summary,
    one_of_several,
)
from tests.material import encoded, photo

CARD = load_card(builtin()["everyday"] / "model.toml")
PARAMETERS = SegmentParameters(model=None, format="mask", run_options=RunOptions(), options=Options())


def request(if_none_match: str) -> Request:
    return Request({"type": "http", "headers": [(b"if-none-match", if_none_match.encode())]})


def test_an_etag_is_of_everything_that_the_answer_depends_on() -> None:
    etag = etag_of(b"picture", PARAMETERS, CARD)
    assert etag == etag_of(b"picture", PARAMETERS, CARD)
    others = {
        etag_of(b"picturf", PARAMETERS, CARD),
        etag_of(
            b"picture", SegmentParameters(model=None, format="color", run_options=RunOptions(), options=Options()), CARD
        ),
        etag_of(
            b"picture",
            SegmentParameters(model=None, format="mask", run_options=RunOptions(classes=("cat",)), options=Options()),
            CARD,
        ),
        etag_of(
            b"picture",
            SegmentParameters(model=None, format="mask", run_options=RunOptions(), options=Options(depth=16)),
            CARD,
        ),
        etag_of(b"picture", PARAMETERS, msgspec.structs.replace(CARD, version="9")),
    }
    assert len(others - {etag}) == 5


@pytest.mark.parametrize("text", ['W/"abc"', '"abc"', '"x", W/"abc"', "*"])
def test_an_answer_that_the_caller_has(text: str) -> None:
    with pytest.raises(Unchanged):
        expect_changed(request(text), 'W/"abc"')


@pytest.mark.parametrize("text", ["", '"abd"', "abc", 'W/"ab"'])
def test_another_answer(text: str) -> None:
    expect_changed(request(text), 'W/"abc"')


def test_one_of_several() -> None:
    body = EncodedAnswer(b'{"a":1}', {}, None)
    named = PictureSource(url="x", id=7)
    assert msgspec.json.encode(one_of_several(named, body, "json")) == (
        b'{"id":7,"status":200,"media_type":"application/json","result":{"a":1}}'
    )
    png = msgspec.json.encode(one_of_several(b"", EncodedAnswer(b"x", {}, None), "mask"))
    assert png == b'{"status":200,"media_type":"image/png","base64":"eA=="}'
    failed = one_of_several(named, PictureError("It is cut off.", "Send it again."), "json")
    assert (failed.id, failed.status) == (7, 400)
    assert b'"code":"damaged-picture"' in msgspec.json.encode(failed)


def test_the_grid_of_a_summary() -> None:
    picture = decode.open_picture(encoded(photo("chelsea"), "JPEG"), max_bytes=1 << 24, max_pixels=1 << 24)
    assert of_summary(RunOptions())(picture).answer_wh == (SUMMARY_SIDE, 64)
