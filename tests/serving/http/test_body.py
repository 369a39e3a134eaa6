import gzip
import zlib

import pytest

from maskery.core.errors import BadRequest, TooLarge
from maskery.serving.http.body import inflated

TEXT = b"a picture " * 1000


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP ", "deflate", "identity", ""])
def test_there_and_back(encoding: str) -> None:
    packed = {"g": gzip.compress, "x": gzip.compress, "d": zlib.compress}.get(encoding[:1].lower(), bytes)(TEXT)
    assert inflated(packed, encoding, len(TEXT)) == TEXT


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(TooLarge, match="limit is 70"):
        inflated(gzip.compress(bytes(100_000_000)), "gzip", 100, 70)
    with pytest.raises(TooLarge):
        inflated(gzip.compress(TEXT), "gzip", len(TEXT) - 1)


@pytest.mark.parametrize(
    ("data", "encoding", "says"),
    [
        (TEXT, "br", "'br' is not read"),
        (TEXT, "gzip, gzip", "is not read"),
        (TEXT, "gzip", "no gzip data"),
        (zlib.compress(TEXT), "gzip", "no gzip data"),
        (gzip.compress(TEXT, mtime=0)[:-9], "gzip", "cut off"),
        (gzip.compress(TEXT, mtime=0) + b"more", "gzip", "more follows"),
        (b"", "deflate", "cut off"),
    ],
)
def test_broken_data(data: bytes, encoding: str, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        inflated(data, encoding, 1 << 20)
