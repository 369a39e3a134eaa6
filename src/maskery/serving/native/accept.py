"""The Accept header -> a format."""

from maskery.encode.table import ENCODERS
from maskery.errors import NotAcceptable

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
