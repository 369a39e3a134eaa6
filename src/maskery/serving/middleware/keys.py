"""API keys: who may come in."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from starlette.datastructures import Headers

from maskery.core.errors import ConfigError
from maskery.core.settings import Settings

# Short keys can be guessed. What a header, a variable and a line of a file can carry without quoting.
SOUND = re.compile(r"[!-+\--~]{16,512}")
_CURE = "Make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'"


class Keys:
    """Known keys, only as their SHA-256. Falsy when there are none: everybody may come in."""

    def __init__(self, names: Mapping[bytes, str]) -> None:
        """``names``: digest of a key -> the name of who holds it."""
        self._names = dict(names)

    def __bool__(self) -> bool:
        return bool(self._names)

    def holder(self, headers: Headers) -> str | None:
        """Who sends one of the keys; None for nobody. Every key is compared, in a time that does not tell which."""
        found = None
        for key in given(headers):
            digest = _digest(key)
            for known, name in self._names.items():
                if hmac.compare_digest(digest, known):
                    found = name
        return found


def given(headers: Headers) -> list[str]:
    """The keys of a request: ``Authorization: Bearer``, ``X-API-Key``, and the password of HTTP Basic."""
    keys = headers.getlist("x-api-key")
    for value in headers.getlist("authorization"):
        scheme, _, rest = value.strip().partition(" ")
        if scheme.lower() == "bearer":
            keys.append(rest.strip())
        elif scheme.lower() == "basic":
            keys.append(_password(rest.strip()))
    return keys


def _password(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode("latin-1").partition(":")[2]
    except ValueError:
        return ""


def load_keys(settings: Settings) -> Keys:
    """The keys of ``api_keys`` and ``api_keys_file``. Raises ``ConfigError``, which never says a key."""
    names: dict[bytes, str] = {}
    for source, line in [*_numbered("api_keys", settings.api_keys), *_lines(settings.api_keys_file)]:
        name, colon, key = line.rpartition(":")
        if not SOUND.fullmatch(key) or (colon and not name.strip()):
            raise ConfigError(f"{source} is no key: 16 to 512 characters of ASCII, no space, comma or colon.", _CURE)
        digest = _digest(key)
        names[digest] = name.strip() or f"key-{digest.hex()[:8]}"
    return Keys(names)


def _lines(path: str) -> list[tuple[str, str]]:
    if not path:
        return []
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigError(
            f"api_keys_file {path} cannot be read: {reason}.", "Correct MASKERY_API_KEYS_FILE."
        ) from error
    lines = [(source, line) for source, line in _numbered(path, text.splitlines()) if line and line[0] != "#"]
    if not lines:
        raise ConfigError(f"api_keys_file {path} has no key.", "Write one `key` or `name:key` a line.")
    return lines


def _numbered(source: str, lines: Iterable[str]) -> list[tuple[str, str]]:
    return [(f"Entry {number} of {source}", line.strip()) for number, line in enumerate(lines, 1)]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
