"""What a mask folder says of its classes: ``classes.toml`` or ``classes.txt`` beside images/ and masks/."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from maskery.core import toml as strict
from maskery.core.errors import ConfigError, DataError
from maskery.core.labels import IGNORE, Colour, fault_of_names

UNKNOWN = 254  # in tables: a value of no class
CLASSES_AT_MOST = UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Classes:
    """The classes of a data set and how masks store them. Raises ``DataError`` for names that are blank or twice.

    Attributes:
        names: By class id.
        values: The mask value of each class.
        colours: One a class, or None.
        ignored: Mask values that are neither learnt from nor measured.
        ignored_colours: The same for coloured masks.
    """

    names: tuple[str, ...]
    values: tuple[int, ...]
    colours: tuple[Colour, ...] | None = None
    ignored: tuple[int, ...] = (IGNORE,)
    ignored_colours: tuple[Colour, ...] = ()

    def __post_init__(self) -> None:
        fault = fault_of_names(self.names)
        if fault:
            raise DataError(fault, "Give each class of the data set a name of its own.")

    def table(self) -> NDArray[np.uint8]:
        """(256,) uint8: mask value -> class id, ``IGNORE`` or ``UNKNOWN``."""
        table = np.full(256, UNKNOWN, np.uint8)
        table[list(self.ignored)] = IGNORE
        table[list(self.values)] = np.arange(len(self.values))
        return table


def numbered(labels: Sequence[str], colours: Sequence[Colour] | None = None) -> Classes:
    """Classes whose mask values are their ids, 255 ignored. Raises ``DataError`` for more than masks can hold."""
    if len(labels) > IGNORE:
        raise DataError(f"{len(labels)} classes, but masks of 8 bits hold {IGNORE}.", "Join or leave out classes.")
    return Classes(names=tuple(labels), values=tuple(range(len(labels))), colours=tuple(colours) if colours else None)


BACKGROUNDS = ("background", "_background_")
"""Names that labelling tools give to what is in no object."""


def plain_class(name: str) -> str:
    """``name`` as a class is called: the background under one name, whoever wrote it."""
    return "background" if name.strip().lower() in BACKGROUNDS else name.strip()


class ClassEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``value``: of the mask's pixels, by default the place in the list."""

    name: str
    value: int | None = None
    colour: Colour | None = None


class ClassesFile(msgspec.Struct, frozen=True, kw_only=True):
    """``ignore``: mask values or [red, green, blue] that have no class; by default 255, if no class has it."""

    classes: list[ClassEntry]
    ignore: list[int | Colour] | int | None = None


def read_classes(root: Path) -> Classes | None:
    """The classes that the files in ``root`` name, None where there are none. Raises ``DataError`` naming the file."""
    toml, text = root / "classes.toml", root / "classes.txt"
    if not text.is_file() and (root / "class_names.txt").is_file():  # as labelme2voc calls it
        text = root / "class_names.txt"
    if toml.is_file() and text.is_file():
        raise DataError(f"{root} has both classes.toml and classes.txt.", "Remove one of them.")
    if toml.is_file():
        try:
            return _checked(strict.read_toml(toml, ClassesFile), toml)
        except ConfigError as error:
            raise DataError(error.message, error.cure) from error
    return _checked(_read_text(text), text) if text.is_file() else None


_LINE = re.compile(r"(?P<name>.*?)(?:[\s,;]+(\d{1,3})[\s,;]+(\d{1,3})[\s,;]+(\d{1,3}))?")


def _read_text(path: Path) -> ClassesFile:
    """A name a line, optionally followed by red green blue; the name ``ignore`` gives the colour of ignored pixels."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.", "Save it as UTF-8 text, a name a line.") from error
    entries, ignored = list[ClassEntry](), list[int | Colour]()
    for line in lines:
        found = _LINE.fullmatch(line.partition("#")[0].strip())
        if not found or not found["name"]:
            continue
        red, green, blue = found.groups()[1:]
        colour = (int(red), int(green), int(blue)) if red else None
        if found["name"] == "ignore" and colour:
            ignored.append(colour)
        else:
            entries.append(ClassEntry(name=found["name"], colour=colour))
    return ClassesFile(classes=entries, ignore=[IGNORE, *ignored])


def _checked(file: ClassesFile, path: Path) -> Classes:
    names = tuple(entry.name for entry in file.classes)
    values = tuple(i if entry.value is None else entry.value for i, entry in enumerate(file.classes))
    colours = tuple(entry.colour for entry in file.classes if entry.colour is not None)
    ignored, ignored_colours = _ignored(file, values)
    if not names or len(names) > CLASSES_AT_MOST:
        raise DataError(f"{path} names {len(names)} classes.", f"Name 1 to {CLASSES_AT_MOST}.")
    if colours and len(colours) < len(names):
        bare = next(entry.name for entry in file.classes if entry.colour is None)
        raise DataError(f"{path}: class {bare!r} has no colour, others have.", "Give each class a colour, or none.")
    for kind, entries in (
        ("name", names),
        ("value", (*values, *ignored)),
        ("colour", (*colours, *ignored_colours)),
    ):
        twice = next((entry for i, entry in enumerate(entries) if entry in entries[:i]), None)
        if twice is not None:
            raise DataError(f"{path}: the {kind} {twice!r} is given twice.", f"Give each its own {kind}.")
    if not all(0 <= value <= 255 for value in (*values, *ignored, *(c for colour in colours for c in colour))):
        raise DataError(f"{path}: a value or colour is not within 0 to 255.", "Masks have 8 bits a channel.")
    return Classes(
        names=names, values=values, colours=colours or None, ignored=ignored, ignored_colours=ignored_colours
    )


def _ignored(file: ClassesFile, values: Sequence[int]) -> tuple[tuple[int, ...], tuple[Colour, ...]]:
    if file.ignore is None:
        return (() if IGNORE in values else (IGNORE,)), ()
    given = [file.ignore] if isinstance(file.ignore, int) else file.ignore
    return tuple(i for i in given if isinstance(i, int)), tuple(i for i in given if not isinstance(i, int))
