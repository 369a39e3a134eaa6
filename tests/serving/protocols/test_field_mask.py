import pytest

from maskery.core.errors import BadRequest
from maskery.serving.protocols.max import masked

FIELDS = {"id": 1, "name": "n", "type": "t"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, FIELDS),
        ("", FIELDS),
        ("  ", FIELDS),
        ("{id,name}", {"id": 1, "name": "n"}),
        ("name,id", {"name": "n", "id": 1}),
        ("{ name }", {"name": "n"}),
        ("*", FIELDS),
        ("{type,*}", {"type": "t", "id": 1, "name": "n"}),
        ("{id,nothing}", {"id": 1}),
        ("id,", {"id": 1}),
        ("{}", {}),
    ],
)
def test_fields_are_chosen(text: str | None, expected: dict[str, object]) -> None:
    chosen = masked(FIELDS, text)
    assert chosen == expected
    assert list(chosen) == list(expected)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{id", "Mask parse error: Missing closing bracket"),
        (",id", "Mask parse error: Unexpected comma"),
        ("id,,name", "Mask parse error: Unexpected comma"),
        ("{id{x}}", "Mask error: Mask is inconsistent with model"),
        ("id}", "Mask error"),
    ],
)
def test_broken_masks_are_errors(text: str, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        masked(FIELDS, text)
