"""ModelCard -> the text of its model.toml; ``model_card.load_card`` reads it back to an equal card."""

import json
import re
import textwrap
from collections.abc import Mapping
from typing import Any

import msgspec

from maskery.core.card import ModelCard

WIDTH = 110


def card_text(card: ModelCard) -> str:
    """TOML, UTF-8, keys in the order of ``ModelCard``; keys without a value and empty lists are left out."""
    return "\n".join(_table(msgspec.to_builtins(card), ())).lstrip("\n") + "\n"


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    """The lines of one table: its own values first, then the tables and lists of tables within, as TOML wants it."""
    values = {k: v for k, v in table.items() if v not in (None, []) and not isinstance(v, Mapping) and not _tables(v)}
    lines = ["", f"[{_dotted(path)}]"] if path and values else []
    lines += [f"{_key(key)} = {_value(value)}" for key, value in values.items()]
    for key, inner in table.items():
        if isinstance(inner, Mapping) and inner:
            lines += _table(inner, (*path, key))
        elif _tables(inner):
            for item in inner:
                lines += ["", f"[[{_dotted((*path, key))}]]", *_table(item, (*path, key))[2:]]
    return lines


def _tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(map(_key, path))


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _string(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, list | tuple):
        return _array([_value(item) for item in value])
    return repr(value)


def _array(items: list[str]) -> str:
    text = f"[{', '.join(items)}]"
    if len(text) <= WIDTH:
        return text
    lines, line = [], ""
    for item in items:
        if line and len(line) + len(item) + 2 > WIDTH - 4:
            lines.append(line)
            line = ""
        line += f"{item}, "
    lines = [line.rstrip() for line in (*lines, line)]
    return "[\n" + textwrap.indent("\n".join(lines), "    ") + "\n]"


def _string(text: str) -> str:
    """JSON's escapes are all TOML's too; DEL alone must be escaped in TOML and is not in JSON."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
