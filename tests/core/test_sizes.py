"""Sizes as people write them."""

import pytest

from maskery.core.errors import ConfigError
from maskery.core.settings import parse_bytes


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("512MB", 512_000_000),
        (" 600 MiB ", 600 << 20),
        ("1.5GiB", 3 << 29),
        ("0.5gb", 500_000_000),
        ("64kib", 65_536),
        ("7B", 7),
    ],
)
def test_units(text: str, count: int) -> None:
    assert parse_bytes("memory", text) == count


@pytest.mark.parametrize("text", ["512", "512M", "half a GB", "-3MB", "1e3MB", "1,5GB", "MB", "٣MB", "", "3 IB"])
def test_what_is_no_size_is_said_with_a_cure(text: str) -> None:
    with pytest.raises(ConfigError, match="512MB"):
        parse_bytes("memory", text)
