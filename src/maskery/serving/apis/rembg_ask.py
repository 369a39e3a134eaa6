"""What a request to rembg's API asks for."""

from dataclasses import dataclass

import msgspec

from maskery.encode.backdrop import Rgba
from maskery.encode.removed import Look
from maskery.errors import BadRequest, nearest
from maskery.serving.apis.values import Values

# Of a POST these are fields of the form, of a GET they stand in the query like the others.
FORM = ("model", "a", "af", "ab", "ae", "om", "ppm")
QUERY = ("bgc", "extras")
EXTRAS = ("classes",)


@dataclass(frozen=True)
class Ask:
    """``model`` is None where none was named."""

    model: str | None
    only_mask: bool
    look: Look
    classes: tuple[str, ...]


def read(form: Values, query: Values) -> Ask:
    """The parameters; ``form`` is the query itself in a GET. What is wrong is noted in their faults.

    Raises ``BadRequest`` for alpha matting, which there is not.
    """
    matting = form.boolean("a")
    form.integer("af", 240, most=255)
    form.integer("ab", 10, most=255)
    form.integer("ae", 10)
    ask = Ask(form.text("model"), form.boolean("om"), Look(form.boolean("ppm"), _colour(query)), _classes(query))
    if matting and not form.faults and not query.faults:
        cure = "Leave a out; a foreground model (selfie-256, say) gives soft edges without it."
        raise BadRequest("This server has no alpha matting.", cure)
    return ask


def _colour(query: Values) -> Rgba | None:
    """``bgc``: "r,g,b" or "r,g,b,a"."""
    text = query.text("bgc")
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    known = len(parts) in (3, 4) and all(part.isascii() and part.isdigit() and len(part) < 4 for part in parts)
    numbers = [int(part) for part in parts] if known else []
    if not known or max(numbers) > 255:
        query.fault("bgc", "Value error, give red, green, blue and alpha from 0 to 255: 255,255,255,255", "value_error")
        return None
    red, green, blue, opacity = [*numbers, 255][:4]
    return red, green, blue, opacity


def _classes(query: Values) -> tuple[str, ...]:
    """The key ``classes`` of ``extras``: a list of names, or text with commas."""
    text = query.text("extras")
    if text is None:
        return ()
    try:
        extras = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        extras = None
    if not isinstance(extras, dict):
        query.fault("extras", 'Value error, give a JSON object: {"classes": "person,dog"}', "value_error")
        return ()
    for key in extras:
        if key not in EXTRAS:
            query.fault("extras", f"Unknown key {key!r}. {nearest(key, EXTRAS)}", "extra_forbidden")
    names = extras.get("classes", [])
    names = names.split(",") if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        query.fault("extras", "Value error, classes is a list of names, or names with commas between", "value_error")
        return ()
    return tuple(name.strip() for name in names if name.strip())
