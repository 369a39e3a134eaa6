"""Parameters read as FastAPI reads them: all faults at once, each with its place."""

import pytest

from maskery.serving.protocols.values import Values


def values(**pairs: str) -> Values:
    return Values("query", list(pairs.items()))


@pytest.mark.parametrize(("text", "value"), [("TRUE", True), ("1", True), ("off", False), ("", False)])
def test_booleans(text: str, value: bool) -> None:
    read = values(a=text)
    assert (read.boolean("a"), read.boolean("absent"), read.faults) == (value, False, [])


def test_integers() -> None:
    read = values(a="12", b="-3", c="300", d="x")
    assert [read.integer(name, 7, most=255) for name in "abcde"] == [12, -3, 300, 7, 7]
    assert [(fault.place, fault.kind) for fault in read.faults] == [
        (("query", "b"), "greater_than_equal"),
        (("query", "c"), "less_than_equal"),
        (("query", "d"), "int_parsing"),
    ]


def test_names() -> None:
    read = Values("body", [("a", "1"), ("a", "2"), ("modle", "x"), ("bgc", "1")])
    read.expect(("a", "model"), elsewhere=("bgc",))
    assert [fault.message for fault in read.faults] == [
        "Given twice",
        "Unknown parameter. Did you mean 'model'?",
        "Not here: put it into the query",
    ]


def test_a_value_that_is_no_boolean() -> None:
    read = values(om="maybe")
    assert read.boolean("om") is False
    assert [fault.kind for fault in read.faults] == ["bool_parsing"]
