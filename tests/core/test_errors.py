"""Errors say what is wrong and what helps."""

import pytest

from maskery.core.errors import BadRequest, MaskeryError, first_line, nearest


def test_an_error_is_its_message_and_its_cure() -> None:
    error = BadRequest("It is wrong.", "Mend it.")
    assert (error.message, error.cure, str(error)) == ("It is wrong.", "Mend it.", "It is wrong. Mend it.")


def test_every_error_has_a_code_of_its_own_or_its_parent_s() -> None:
    def kinds(kind: type[MaskeryError]) -> list[type[MaskeryError]]:
        return [kind, *(below for one in kind.__subclasses__() for below in kinds(one))]

    for kind in kinds(MaskeryError):
        assert kind.code
        assert kind.code == kind.code.lower()


def test_the_nearest_name() -> None:
    assert nearest("formt", ("format", "model")) == "Did you mean 'format'?"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n  one  \ntwo"), "one  "),
        (ValueError(""), "ValueError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (ValueError("x" * 500), "x" * 300),
    ],
)
def test_the_first_line_of_an_error(error: BaseException, line: str) -> None:
    assert first_line(error) == line
