"""Query and Accept header -> what is asked for. Unknown parameters are errors; a format's options are known."""

from dataclasses import dataclass

from starlette.requests import Request

from maskery.encode.options import Options
from maskery.encode.table import ENCODERS, named, parse_options, wanted_maps
from maskery.errors import BadRequest, NotAcceptable, nearest
from maskery.pipeline import Wish

PARAMETERS = ("model", "format", "classes", "max_side")
DEFAULT_FORMAT = "json"

# What a media type without a format parameter means.
BY_MEDIA_TYPE = {
    "application/json": "json",
    "image/png": "mask",
    "image/jpeg": "overlay-jpeg",
    "application/x-npy": "npy",
    "application/x-npz": "npz",
    "application/*": "json",
    "image/*": "mask",
    "*/*": DEFAULT_FORMAT,
}


@dataclass(frozen=True)
class Ask:
    """``model`` is None for the default one."""

    model: str | None
    format: str
    wish: Wish
    options: Options


def parse(request: Request) -> Ask:
    """Raises ``BadRequest`` for an unknown or repeated parameter, ``NotAcceptable`` for an Accept nothing satisfies."""
    query = request.query_params
    format = query.get("format") or negotiate(request.headers.get("accept", "*/*"))
    known = (*PARAMETERS, *sorted(named(format).options))
    for name, _ in query.multi_items():
        if name not in known:
            raise BadRequest(f"Unknown query parameter {name!r} for the format {format}.", nearest(name, known))
        if len(query.getlist(name)) > 1:
            raise BadRequest(f"Query parameter {name!r} was given twice.", "Give it once.")
    classes = tuple(name.strip() for name in query.get("classes", "").split(",") if name.strip())
    options = parse_options({name: query[name] for name in query if name not in PARAMETERS}, format)
    wish = Wish(classes, _integer(query.get("max_side")), wanted_maps(format, options))
    return Ask(query.get("model") or None, format, wish, options)


def _integer(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadRequest(f"max_side is {text!r}.", "Give a whole number of pixels, max_side=512 say.")
    return int(text)


def negotiate(accept: str) -> str:
    """The format that an Accept header prefers: highest q first, then the order given.

    ``image/png; format=overlay`` chooses among the formats of one media type.
    """
    choices = [_parse_range(part) for part in accept.split(",") if part.strip()] or [("*/*", 1.0, "")]
    for media_type, quality, format in sorted(choices, key=lambda choice: -choice[1]):
        if quality <= 0:
            continue
        if format and format in ENCODERS and ENCODERS[format].media_type == media_type:
            return format
        if not format and media_type in BY_MEDIA_TYPE:
            return BY_MEDIA_TYPE[media_type]
    known = [name for name in BY_MEDIA_TYPE if "*" not in name]
    raise NotAcceptable(f"Nothing here satisfies Accept: {accept[:200]!r}.", f"Accepted: {', '.join(known)}.")


def _parse_range(text: str) -> tuple[str, float, str]:
    """One media range: (media type, q, format parameter)."""
    media_type, *parameters = (part.strip().lower() for part in text.split(";"))
    values = dict(p.split("=", 1) for p in parameters if "=" in p)
    try:
        quality = float(values.get("q", "1"))
    except ValueError:
        quality = 0.0
    return media_type, quality, values.get("format", "").strip('"')
