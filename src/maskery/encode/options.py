"""What a caller may choose about a format, and the one reading of it from text. ``table``: which format knows what."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from unicodedata import category

from maskery.core.errors import BadRequest, nearest
from maskery.core.result.meta import MAPS, Colour

TOLERANCE_AT_MOST = 1000.0  # pixels
WORDS_AT_MOST = 1024  # characters of a name: four times what file systems allow
NO_TEXT = ("Cc", "Cs")  # control characters and halves of pairs, which XML and UTF-8 cannot hold
SHAPES = ("mask", "polygon", "box")


def _about(text: str) -> dict[str, str]:
    return {"help": text}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Each format takes some of them (``Encoder.options``); one that it does not know must keep its default.

    Raises ``BadRequest`` for a value out of range.

    Attributes:
        tolerance: Pixels by which a simplified outline may stray, up to ``TOLERANCE_AT_MOST``; 0 = exact.
        gap_free: Whether neighbouring classes share their border exactly.
        min_area: Connected pieces of fewer pixels are left out.
        strength: Blur radius, or side of a block, in pixels; 0 = by the picture's size.
        outside: Whether everything but the classes is changed.
        color: The colour that fills, red, green and blue, 0..255.
        depth: Bits of a grey pixel, 8 or 16.
        maps: Those of ``MAPS`` that are added.
        details: Whether all else that a result is is added, so that a client can make it again.
        shape: What marks a class, one of ``SHAPES``.
        file_name: The picture's file name, for formats that name it.
        from_name: Name of the label tag in Label Studio's configuration.
        to_name: Name of the image tag in Label Studio's configuration.
    """

    tolerance: float = field(default=0.0, metadata=_about("Pixels by which a simplified outline may stray; 0 = exact."))
    gap_free: bool = field(default=False, metadata=_about("Neighbouring classes share their border exactly."))
    min_area: int = field(default=0, metadata=_about("Leave out connected pieces of fewer pixels."))
    strength: int = field(
        default=0, metadata=_about("Blur radius, or side of a block, in pixels; 0 = by the picture's size.")
    )
    outside: bool = field(default=False, metadata=_about("Change everything but the classes."))
    color: Colour = field(default=(0, 0, 0), metadata=_about("The colour that fills, #rrggbb."))
    depth: int = field(default=8, metadata=_about("Bits of a grey pixel, 8 or 16."))
    maps: tuple[str, ...] = field(
        default=(), metadata=_about("Maps to add, of confidence, entropy and margin, separated by commas.")
    )
    details: bool = field(
        default=False,
        repr=False,
        metadata=_about("Add all else that a result is, so that a client can make it again."),
    )
    shape: str = field(default="mask", metadata=_about("What marks a class: mask, polygon or box."))
    file_name: str = field(default="picture", metadata=_about("The picture's file name, for formats that name it."))
    from_name: str = field(default="label", metadata=_about("Name of the label tag in Label Studio's configuration."))
    to_name: str = field(default="image", metadata=_about("Name of the image tag in Label Studio's configuration."))

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance <= TOLERANCE_AT_MOST:
            raise _bad("tolerance", self.tolerance, f"Give pixels from 0 to {TOLERANCE_AT_MOST:g}, tolerance=1.5 say.")
        for name in ("min_area", "strength"):
            if getattr(self, name) < 0:
                raise _bad(name, getattr(self, name), f"Give a whole number from 0, {name}=20 say.")
        if self.strength == 1:
            raise _bad("strength", 1, "Blocks of one pixel hide nothing: give 2 or more.")
        if len(self.color) != 3 or not all(0 <= value <= 255 for value in self.color):
            raise _bad("color", self.color, "Give red, green and blue from 0 to 255.")
        if self.depth not in (8, 16):
            raise _bad("depth", self.depth, "Give depth=8 or depth=16.")
        for name in self.maps:
            if name not in MAPS:
                raise _bad("maps", name, nearest(name, MAPS))
        if self.shape not in SHAPES:
            raise _bad("shape", self.shape, nearest(self.shape, SHAPES))
        for name in ("file_name", "from_name", "to_name"):
            text = getattr(self, name)
            if not 0 < len(text) <= WORDS_AT_MOST or any(category(c) in NO_TEXT or c in "\ufffe\uffff" for c in text):
                shown = ascii(text[:WORDS_AT_MOST])[1:-1]
                raise _bad(name, shown, f"Give 1 to {WORDS_AT_MOST} characters, none of them a control character.")

    @property
    def given(self) -> frozenset[str]:
        """The names of the options that are not at their default."""
        return frozenset(f.name for f in fields(self) if getattr(self, f.name) != f.default)

    def texts(self) -> dict[str, str]:
        """Those that are not at their default, by name, as ``from_text`` reads them."""
        return {name: _text(getattr(self, name)) for name in sorted(self.given)}


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return "".join(f"{part:02x}" for part in value) if isinstance(value[0], int) else ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


PLAIN_OPTIONS = Options()
HELP = {f.name: str(f.metadata["help"]) for f in fields(Options)}


def check_shape(options: Options) -> None:
    """Raises ``BadRequest`` where outlines shall be simplified although ``shape`` needs none."""
    for name in sorted(options.given & {"tolerance", "gap_free"}):
        if options.shape != "polygon":
            raise BadRequest(f"Option {name} says nothing about shape={options.shape}.", "Add shape=polygon.")


def from_text(pairs: Mapping[str, str]) -> Options:
    """Options from known names and their values as text. Raises ``BadRequest`` for a value that cannot be read."""
    values: dict[str, Any] = {name: _PARSERS[name](name, text.strip()) for name, text in pairs.items()}
    return Options(**values)


def _bad(name: str, value: object, cure: str) -> BadRequest:
    return BadRequest(f"Option {name} is {value!r}.", cure)


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _bad(name, text[:20], f"Give a number, {name}=1.5 say.")
    return value


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _bad(name, text[:20], f"Give a whole number from 0, {name}=20 say.")
    return int(text)


def _switch(name: str, text: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in known:
        raise _bad(name, text[:20], f"Give {name}=true or {name}=false.")
    return known[text.lower()]


def _colour(name: str, text: str) -> Colour:
    found = re.fullmatch(r"#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", text)
    if not found:
        raise _bad(name, text[:20], f"Give six hexadecimal digits, {name}=ff8000 say.")
    red, green, blue = (int(part, 16) for part in found.groups())
    return red, green, blue


def _words(_: str, text: str) -> str:
    return text


def _list(_: str, text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


_PARSERS: dict[str, Callable[[str, str], object]] = {
    "tolerance": _number,
    "gap_free": _switch,
    "outside": _switch,
    "min_area": _whole,
    "strength": _whole,
    "color": _colour,
    "depth": _whole,
    "maps": _list,
    "details": _switch,
    "shape": _words,
    "file_name": _words,
    "from_name": _words,
    "to_name": _words,
}
