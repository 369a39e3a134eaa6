"""model.toml <-> ModelCard: ``load_card`` reads what ``card_text`` writes to an equal card.

Cards of the form before ``[[networks]]`` are read too: one ``[input]``, one ``[output]`` with a ``kind``, the facts of
the file beside the name, ``finder`` for ``detector``.
"""

import json
import logging
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from maskery.core import toml
from maskery.core.card import ModelCard

log = logging.getLogger("maskery")

WIDTH = 110

Raw = dict[str, Any]
"""A card as TOML has it, unchecked."""

FILE_KEYS = ("file", "sha256", "bytes", "url")
# The kind of an output in the earlier form -> its role and values; of a foreground model every kind is an alpha.
_KINDS: dict[str, Raw] = {
    "logits": {"role": "scores", "values": "logits"},
    "probabilities": {"role": "scores", "values": "probabilities"},
    "scores": {"role": "scores", "values": "probabilities"},
    "foreground": {"role": "alpha", "values": "probabilities"},
    "class-map": {"role": "class-map"},
    "boxes": {"role": "boxes"},
}


def load_card(path: Path) -> ModelCard:
    """Parse the card at ``path``. Raises ``ConfigError`` naming the file, the key and the cure."""
    return parse_card(toml.read_raw(path), str(path))


def parse_card(raw: Raw, source: str) -> ModelCard:
    """Plain data of a card, in today's form or the earlier one -> the card; ``source`` is what errors call it.

    Raises ``ConfigError``.
    """
    return toml.convert(present_form(raw, source), ModelCard, source)


def present_form(raw: Raw, source: str) -> Raw:
    """The data in today's form; what is in it already stays as it is. A card in the earlier form is logged."""
    card = dict(raw)
    if card.get("task") == "finder":
        card["task"] = "detector"
    if "finder" in card and "detector" not in card:
        card["detector"] = card.pop("finder")
    if not {"input", "output", *FILE_KEYS} & card.keys():
        return card
    log.info("%s is in an earlier form of cards; maskery models show NAME --toml writes it in today's", source)
    facts = {key: card.pop(key) for key in FILE_KEYS if key in card}
    card.setdefault("networks", [facts])
    if "input" in card:
        card.setdefault("inputs", [card.pop("input")])
    if "output" in card:
        card.setdefault("outputs", _outputs(card.pop("output"), card.get("task")))
    return card


def _outputs(output: Any, task: Any) -> Any:
    """``[output]`` of the earlier form -> ``[[outputs]]``; what is unknown stays, so that its error names it."""
    if not isinstance(output, dict):
        return [output]
    one = dict(output)
    joined, meaning = one.pop("joined", ""), Raw()
    if "kind" in one:
        kind = one.pop("kind")
        meaning |= _KINDS.get(str(kind), {"role": kind})
    if task == "foreground" and meaning.get("role") == "scores":
        meaning["role"] = "alpha"
    if "foreground_channel" in one:
        one["channel"] = one.pop("foreground_channel")
    outputs = [one | meaning]
    if joined:
        outputs.append({"tensor": joined, "role": "box-logits", "layout": "NC"})
    return outputs


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
