"""Which format an Accept header chooses."""

import pytest

from maskery.core.errors import BadRequest, NotAcceptable
from maskery.serving.protocols.native.native_request import PictureSource, decoded, negotiate


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("image/*", "mask"),
        ("IMAGE/PNG", "mask"),
        ("image/png; format=overlay", "overlay"),
        ('image/png;format="cutout";q=0.1', "cutout"),
        ("text/html, image/png;q=0.5, application/json;q=0.4", "mask"),
        ("image/png;q=0, application/x-npy", "npy"),
        ("image/png;q=x, image/jpeg", "overlay-jpeg"),
        ("application/json, image/png", "json"),
    ],
)
def test_the_format_that_is_preferred(accept: str, format: str) -> None:
    assert negotiate(accept) == format


@pytest.mark.parametrize("accept", ["text/csv", "image/png;q=0", "image/png;format=svg", "image/png;format=nothing"])
def test_what_nothing_satisfies(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="Nothing here satisfies"):
        negotiate(accept)


def test_base64() -> None:
    assert decoded(PictureSource(base64="eA=="), 10) == b"x"
    with pytest.raises(BadRequest):
        decoded(PictureSource(base64="!"), 10)
