from dataclasses import fields

import pytest

from maskery.core.errors import BadRequest
from maskery.encode.options import HELP, PLAIN_OPTIONS, Options, check_shape, from_text

TEXTS = {
    "tolerance": ("1.5", 1.5),
    "gap_free": ("True", True),
    "details": ("true", True),
    "min_area": ("20", 20),
    "strength": ("9", 9),
    "outside": ("yes", True),
    "color": ("#ff8000", (255, 128, 0)),
    "depth": ("16", 16),
    "maps": ("entropy, margin", ("entropy", "margin")),
    "shape": ("polygon", "polygon"),
    "file_name": ("my cat.jpg", "my cat.jpg"),
    "from_name": ("tag", "tag"),
    "to_name": ("img", "img"),
}


def test_every_option_is_read_from_text_and_explained() -> None:
    assert set(TEXTS) == {f.name for f in fields(Options)} == set(HELP)
    found = from_text({name: text for name, (text, _) in TEXTS.items()})
    assert {name: getattr(found, name) for name in TEXTS} == {name: value for name, (_, value) in TEXTS.items()}
    assert found.given == set(TEXTS)
    assert from_text({}) == PLAIN_OPTIONS
    assert not PLAIN_OPTIONS.given
    assert all(text.endswith(".") for text in HELP.values())


@pytest.mark.parametrize(
    ("name", "text", "cure"),
    [
        ("tolerance", "-1", "from 0 to 1000"),
        ("tolerance", "1e9", "from 0 to 1000"),
        ("tolerance", "nan", "tolerance=1.5"),
        ("tolerance", "inf", "tolerance=1.5"),
        ("tolerance", "", "tolerance=1.5"),
        ("gap_free", "maybe", "gap_free=true"),
        ("min_area", "-3", "whole number"),
        ("min_area", "1.5", "whole number"),
        ("min_area", "9" * 400, "whole number"),
        ("strength", "٣", "whole number"),
        ("strength", "1", "2 or more"),
        ("outside", "2", "outside=true"),
        ("color", "red", "hexadecimal"),
        ("color", "#ff80001", "hexadecimal"),
        ("depth", "12", "depth=8 or depth=16"),
        ("maps", "entropie", "Did you mean 'entropy'"),
        ("shape", "polygons", "Did you mean 'polygon'"),
        ("file_name", "a\nb", "control character"),
        ("file_name", "", "1 to 1024 characters"),
        ("from_name", "x" * 1025, "1 to 1024"),
    ],
)
def test_bad_values_say_a_cure(name: str, text: str, cure: str) -> None:
    with pytest.raises(BadRequest, match=f"Option {name} is .*{cure}"):
        from_text({name: text})


@pytest.mark.parametrize("wrong", [{"min_area": -1}, {"color": (1, 2, 300)}, {"tolerance": float("nan")}])
def test_options_made_in_python_check_themselves(wrong: dict[str, object]) -> None:
    with pytest.raises(BadRequest, match="Option"):
        Options(**wrong)  # type: ignore[arg-type]


def test_simplified_masks_make_no_sense() -> None:
    check_shape(Options(shape="polygon", tolerance=1.0, gap_free=True))
    for options in (Options(tolerance=1.0), Options(shape="box", gap_free=True)):
        with pytest.raises(BadRequest, match="Add shape=polygon"):
            check_shape(options)


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(tolerance=1.5, gap_free=True, color=(255, 0, 128), maps=("entropy", "margin")),
        Options(details=True, depth=16, file_name="a cat.jpg"),
    ],
)
def test_options_as_texts_are_read_as_they_were(options: Options) -> None:
    assert from_text(options.texts()) == options
    assert set(options.texts()) == options.given
