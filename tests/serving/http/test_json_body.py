import base64

import msgspec
import pytest

from maskery.core.errors import BadRequest, TooLarge
from maskery.serving.http.json_body import from_base64, looks_like_json, parse_json, parsed


class Call(msgspec.Struct, forbid_unknown_fields=True):
    inputs: str
    more: int = 0


def test_json_becomes_what_it_should_be() -> None:
    assert parse_json(b' {"inputs": "x", "more": 3}', Call) == Call("x", 3)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"{", "not valid JSON"),
        (b'{"inputs": "\xff"}', "not valid JSON"),
        (b"[1]", "no object"),
        (b'{"a":' * 50_000, "nested too deeply"),
        (b'{"input": "x"}', "Did you mean 'inputs'"),
        (b'{"inputs": "x", "mre": 1}', "Did you mean 'more'"),
        (b"{}", "missing key 'inputs'"),
        (b'{"inputs": 3}', "Expected `str`"),
    ],
)
def test_json_that_is_something_else_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_json(data, Call)
    assert says in str(caught.value)


def test_what_looks_like_json() -> None:
    assert looks_like_json(b' \n{"a"')
    assert not looks_like_json(b"\x89PNG{")
    assert not looks_like_json(b"")


def test_base64() -> None:
    text = base64.b64encode(bytes(range(256))).decode()
    assert from_base64(text, 256) == bytes(range(256))
    assert from_base64("data:image/png;base64," + text, 256) == bytes(range(256))
    with pytest.raises(TooLarge):
        from_base64(text, 200)
    for broken in ("a", "abc\nde===", "äöü=", "!!!!"):
        with pytest.raises(BadRequest, match="broken"):
            from_base64(broken, 100)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[1, 2", b'{"a": "\xff"}', b"[" * 100_000, b'{"a": "x"}', b"nonsense", b"[]"]
)
def test_what_is_not_the_json_that_was_asked_for(data: bytes) -> None:
    with pytest.raises(BadRequest, match="The body is not a thing"):
        parsed(data, dict[str, int], "a thing")


@pytest.mark.parametrize("piece", [b"[],", b"{},", b'{"a":1},'])
def test_json_that_would_take_a_multiple_of_its_size_in_memory_is_refused(piece: bytes) -> None:
    data = b"[" + piece * 2_000_000 + b"0]"
    with pytest.raises(BadRequest, match="At most 65,536 are read"):
        parse_json(data, Call)
    if piece != b"[],":
        with pytest.raises(BadRequest, match="At most 1,048,576 are read"):
            parsed(data, list[dict[str, int]], "a thing")


def test_base64_as_programs_write_it() -> None:
    data = bytes(range(256)) * 3 + b"ab"
    standard, safe = base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()
    lines = base64.encodebytes(data).decode()
    for text in (lines, lines.replace("\n", "\r\n"), f" {standard}\n", safe, safe.rstrip("="), standard.rstrip("=")):
        assert from_base64(text, len(data)) == data
        assert from_base64(f"data:image/png;base64,{text}", len(data)) == data
    assert from_base64("data:image/png;base64," + standard.replace("+", "%2B").replace("=", "%3D"), len(data)) == data
