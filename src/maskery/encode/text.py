"""Text that several formats and protocols write: colours, what XML can hold, a class map as nested JSON lists."""

import re
from functools import cache
from operator import mul
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import ClassMap
from maskery.core.result.meta import Colour

# What XML 1.0 cannot hold, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Pixels a run from which repeating its text beats looking every pixel up.
LONG_RUNS = 24


def hex_colour(colour: Colour) -> str:
    """#rrggbb."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def xml_text(text: str) -> str:
    """``text`` for an element or an attribute in double quotes; a character that XML forbids becomes U+FFFD."""
    return escape(_FORBIDDEN.sub("\ufffd", text), {'"': "&quot;", "\n": "&#10;", "\t": "&#9;", "\r": "&#13;"})


def encode_map(ids: ClassMap) -> bytes:
    """(H, W) uint8 or uint16 -> ``[[0,0,15],[0,15,15]]``: H lists of W numbers, as ``json.dumps`` without spaces."""
    first = np.empty(ids.shape, np.bool_)
    np.not_equal(ids[:, 1:], ids[:, :-1], out=first[:, 1:])
    first[:, 0] = first[:, -1] = True  # the last number of a row is followed by brackets
    starts = np.flatnonzero(first)
    parts = _by_runs(ids, starts) if len(starts) * LONG_RUNS < ids.size else _by_pixels(ids)
    parts[0], parts[-1] = b"[[" + parts[0], parts[-1].removesuffix(b",[") + b"]"
    return b"".join(parts)


def _by_runs(ids: ClassMap, starts: NDArray[np.intp]) -> list[bytes]:
    """The text of every run: its number's, repeated. ``starts``: first pixels of runs, row-major."""
    texts = _texts(ids.dtype.itemsize)
    which = ids.reshape(-1)[starts].astype(np.intp)
    which[np.searchsorted(starts, np.arange(ids.shape[1] - 1, ids.size, ids.shape[1]))] += len(texts) // 2
    return list(map(mul, texts.take(which).tolist(), np.diff(starts, append=ids.size).tolist()))


def _by_pixels(ids: ClassMap) -> list[bytes]:
    """The text of every row and of its end, by texts of one width whose filling of zero bytes is then taken out."""
    texts, width = _texts(ids.dtype.itemsize), 4 * ids.dtype.itemsize
    table = texts[: len(texts) // 2].astype(f"S{width}").view(f"u{width}")
    ends = texts[len(texts) // 2 :].take(ids[:, -1]).tolist()
    rows = (table.take(row).tobytes().translate(None, b"\0") for row in ids[:, :-1])
    return [part for pair in zip(rows, ends, strict=True) for part in pair]


@cache
def _texts(itemsize: int) -> NDArray[np.object_]:
    """The text of every id of one or two bytes within a row, ``15,``, and then of every id at its end, ``15],[``."""
    ids = range(256**itemsize)
    return np.array([b"%d," % i for i in ids] + [b"%d],[" % i for i in ids], np.object_)
