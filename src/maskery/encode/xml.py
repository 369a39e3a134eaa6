"""Any text inside XML."""

import re
from xml.sax.saxutils import escape

# What XML 1.0 cannot hold, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def safe(text: str) -> str:
    """``text`` for an element or an attribute in double quotes; a character that XML forbids becomes U+FFFD."""
    return escape(_FORBIDDEN.sub("\ufffd", text), {'"': "&quot;", "\n": "&#10;", "\t": "&#9;", "\r": "&#13;"})
