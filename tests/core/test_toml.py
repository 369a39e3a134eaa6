from pathlib import Path

import msgspec
import pytest

from maskery.core.errors import ConfigError
from maskery.core.toml import parse_toml, read_toml


class Inner(msgspec.Struct, frozen=True):
    layout: str
    size: int = 3


class Outer(msgspec.Struct, frozen=True):
    name: str
    inner: Inner
    many: list[Inner] = []
    maybe: Inner | None = None


GOOD = 'name = "a"\n[inner]\nlayout = "x"\n'


def test_reads_what_is_right() -> None:
    assert parse_toml(GOOD, Outer, "here").inner == Inner("x", 3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD + "sise = 1", "unknown key 'inner.sise'. Did you mean 'size'?"),
        ("nmae = 'a'\n[inner]\nlayout='x'", "unknown key 'nmae'. Did you mean 'name'?"),
        ("name = 'a'\n[inner]\nsize = 1", "missing key 'inner.layout'"),
        (GOOD + "[[many]]\nlayout='a'\nsice=2", "unknown key 'many[0].sice'. Did you mean 'size'?"),
        (GOOD + "[maybe]\nlayut='a'", "unknown key 'maybe.layut'. Did you mean 'layout'?"),
        (GOOD + "size = 'three'", "Expected `int`, got `str`"),
        ("name = ", "not valid TOML"),
        ('inner = 3\nname = "a"', "Expected `object`, got `int`"),
    ],
)
def test_errors_name_source_key_and_cure(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_toml(text, Outer, "here.toml")
    assert str(caught.value).startswith("here.toml")
    assert says in str(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_toml(tmp_path / "none.toml", Outer)
    (tmp_path / "latin.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_toml(tmp_path / "latin.toml", Outer)
