"""The URL of a picture: read strictly, and compared with the allow-list.

Parsers differ in what they make of odd forms, and attacks live on that. So there is one parser here, it knows few
forms, and what it returns is what is connected to.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import quote

from maskery.core.errors import BadUrl, ConfigError

LONGEST = 4_096
PORTS = (80, 443, 8080, 8443)
"""Where pictures are; a request to another port is aimed at something else. The allow-list can name others."""

_PARTS = re.compile(r"(https?)://([^/?]*)([^?]*)(\?.*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([1-9][0-9]{0,4}))?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ODD = re.compile(r"[\x00-\x20\x7f-\xa0\ud800-\udfff\\]")
PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_EXAMPLE = "Give an address like https://example.org/cat.jpg."


@dataclass(frozen=True)
class Target:
    """``host``: a lower-case ASCII name or the canonical text of an address, without brackets. ``path``: with query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_address(self) -> bool:
        return ":" in self.host or _NUMBER.fullmatch(self.host.rpartition(".")[2]) is not None

    @property
    def netloc(self) -> str:
        """The value of the Host header: the port is left out where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.netloc}"

    @property
    def url(self) -> str:
        return self.origin + self.path


def parse(text: str) -> Target:
    """Raises ``BadUrl`` for anything but a plain http or https address."""
    if len(text) > LONGEST:
        raise BadUrl(f"The URL has {len(text):,} characters, the limit is {LONGEST:,}.", "Give a shorter one.")
    if _ODD.search(text):
        raise BadUrl("The URL has a space, a backslash or a control character.", "Percent-encode it (a space is %20).")
    if "#" in text:
        raise BadUrl("The URL has a fragment.", "Leave out '#' and what follows it.")
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise BadUrl("The URL is not a whole http or https address.", _EXAMPLE)
    scheme, authority, path, query = parts[1].lower(), parts[2], parts[3], parts[4] or ""
    host, port = _host_port(authority)
    return Target(
        scheme, host, port or (443 if scheme == "https" else 80), quote((path or "/") + query, safe=PRINTABLE)
    )


def is_origin(text: str) -> bool:
    """Whether the text is an origin as browsers write it: scheme, host, port unless it is the scheme's own."""
    try:
        target = parse(text)
    except BadUrl:
        return False
    return text == target.origin


def _host_port(authority: str) -> tuple[str, int | None]:
    """The host, checked and in lower case, and the port where one is given. Raises ``BadUrl``."""
    if "@" in authority:
        raise BadUrl("The URL has a user name or password.", "Leave out what stands before '@'.")
    if not authority.isascii():
        raise BadUrl("The host has letters beyond ASCII.", "Write it in its xn-- form.")
    found = _AUTHORITY.fullmatch(authority)
    port = int(found[3]) if found and found[3] else None
    if found is None or (port or 0) > 65_535:
        raise BadUrl("The URL's host or port is not written in a plain way.", _EXAMPLE)
    try:
        return (str(IPv6Address(found[1])) if found[1] else _name(found[2].lower())), port
    except AddressValueError as error:
        raise BadUrl("The URL's host is no address.", "Write it as 93.184.215.14 or [2606:2800::1].") from error


def _name(host: str) -> str:
    """A name of the DNS, or an IPv4 address as four decimal numbers; not the other ways in which some read numbers."""
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadUrl("The URL's host is not a valid name.", _EXAMPLE)
    return str(IPv4Address(host)) if _NUMBER.fullmatch(labels[-1]) else host


class AllowList:
    """``host``, ``*.host`` (every name below it, not itself), each also with ``:port``."""

    def __init__(self, entries: tuple[str, ...]) -> None:
        """Raises ``ConfigError`` for an entry that can match nothing."""
        self._entries = [_entry(text) for text in entries]

    def has(self, target: Target) -> bool:
        """Without a port in the entry those of ``PORTS`` match."""
        return any(
            (target.host.endswith(name) if name.startswith(".") else target.host == name)
            and (target.port == port if port else target.port in PORTS)
            for name, port in self._entries
        )


def _entry(text: str) -> tuple[str, int | None]:
    try:
        host, port = _host_port(text.removeprefix("*."))
        below = text.startswith("*.")
        if below and Target("http", host, 80, "/").is_address:
            raise BadUrl("An address has no names below it.", _EXAMPLE)
    except BadUrl as error:
        raise ConfigError(
            f"url_allow has the entry {text!r}: {error.message}", "Write files.example.org, *.example.org or nas:9000."
        ) from error
    return f".{host}" if below else host, port
