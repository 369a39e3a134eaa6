"""The ``X-Fields`` header of flask-restx services: which fields of a flat JSON object the caller wants."""

import re
from typing import Any

from maskery.errors import BadRequest

NAME = re.compile(r"[\w:*-]+")


def masked(fields: dict[str, Any], text: str | None) -> dict[str, Any]:
    """Those of ``fields`` that ``text`` names, in its order: ``{id,name}``, ``id,name``, ``*``; all without text.

    Names that there are not are left out, as flask-restx does. Raises ``BadRequest`` in its words for a mask that is
    broken or looks into fields, none of which has an inside.
    """
    if text is None or not text.strip():
        return fields
    inner = text.strip()
    if inner.startswith("{"):
        if not inner.endswith("}"):
            raise BadRequest("Mask parse error: Missing closing bracket", "Write X-Fields: {id,name}.")
        inner = inner[1:-1]
    if "{" in inner or "}" in inner:
        raise BadRequest("Mask error: Mask is inconsistent with model", "Write X-Fields: {id,name}.")
    *before, last = inner.split(",")
    if not all(NAME.search(part) for part in before):
        raise BadRequest("Mask parse error: Unexpected comma", "Write X-Fields: {id,name}.")
    wanted = [name for part in (*before, last) for name in NAME.findall(part)]
    chosen = {name: fields[name] for name in wanted if name in fields}
    return chosen | {k: v for k, v in fields.items() if k not in chosen} if "*" in wanted else chosen
