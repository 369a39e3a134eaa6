"""TOML text -> frozen struct, strictly: an unknown key, a missing key or a wrong type is a ``ConfigError``."""

import tomllib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from maskery.core.errors import ConfigError, nearest

T = TypeVar("T", bound=msgspec.Struct)


def read_toml(path: Path, kind: type[T]) -> T:
    """Parse the file at ``path`` into ``kind``. Raises ``ConfigError`` naming the file, the key and the nearest one."""
    return convert(read_raw(path), kind, str(path))


def read_raw(path: Path) -> dict[str, Any]:
    """The keys and values of the TOML file at ``path``, unchecked. Raises ``ConfigError`` where it is no TOML."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text.", "Save it as UTF-8 TOML.") from error
    return _parse(text, str(path))


def parse_toml(text: str, kind: type[T], source: str) -> T:
    """Parse TOML ``text`` into ``kind``; ``source`` is what errors call it."""
    return convert(_parse(text, source), kind, source)


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source} is not valid TOML: {error}.", "See https://toml.io for the syntax.") from error


def convert(raw: dict[str, Any], kind: type[T], source: str) -> T:
    """Turn plain data into ``kind``. Raises ``ConfigError``."""
    _check_keys(raw, kind, source, "")
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {error}.", "Correct the value.") from error


def _check_keys(raw: Any, kind: Any, source: str, where: str) -> None:
    if not isinstance(raw, dict):
        return
    fields = {f.encode_name: f for f in msgspec.structs.fields(kind)}
    tag = kind.__struct_config__.tag_field
    unknown = [key for key in raw if key not in fields and key != tag]
    missing = [name for name, field in fields.items() if field.required and name not in raw]
    if unknown:
        candidates = missing or list(fields)
        raise ConfigError(f"{source}: unknown key {where + unknown[0]!r}.", nearest(unknown[0], candidates))
    if missing:
        raise ConfigError(f"{source}: missing key {where + missing[0]!r}.", f"Add {missing[0]!r}.")
    for name, field in fields.items():
        for inner, value, path in _structs_within(field.type, raw.get(name), where + name):
            _check_keys(value, inner, source, path + ".")


def _structs_within(annotation: Any, value: Any, where: str) -> list[tuple[Any, Any, str]]:
    """The (struct type, raw value, path) that ``annotation`` finds in ``value``: direct, optional or in a list."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return [(annotation, value, where)]
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        structs = [a for a in arguments if isinstance(a, type) and issubclass(a, msgspec.Struct)]
        return [(structs[0], value, where)] if len(structs) == 1 else []
    if typing.get_origin(annotation) in (list, tuple) and isinstance(value, list) and arguments:
        return [found for i, item in enumerate(value) for found in _structs_within(arguments[0], item, f"{where}[{i}]")]
    return []
