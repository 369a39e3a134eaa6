"""Fetch one model file: from a mirror folder, a mirror's URL or the card's own address; whole and right, or not at all.

Bytes go to ``FILE.partial`` beside the target, which takes its name only after size and sha256 agree with the card. A
broken connection leaves the partial file, and the next call asks for the rest only.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from maskery.core.card import Network
from maskery.core.errors import ChecksumError, DownloadError, first_line
from maskery.core.files import partial_of, put_in_place
from maskery.core.progress import Progress, silent
from maskery.core.version import __version__

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

CHUNK = 1 << 18
CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
BACKOFF_SECONDS = 0.5
RETRIES = 3


def fetch(network: Network, target: Path, mirror: str = "", progress: Progress = silent) -> None:
    """Put the file of ``network`` at ``target``.

    ``mirror``: folder or http(s) URL that holds the file by its name, asked instead of the network's own address.
    ``progress``: bytes that are here, bytes in all. Raises ``DownloadError`` where the file cannot be had (a partial
    one stays for the next try), ``ChecksumError`` where it is not the card's (nothing stays), ``OSError`` where
    ``target`` cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(target)
    receive = _Receiver(network, partial, progress)
    with _removed_when_wrong(partial):
        if mirror and "://" not in mirror:
            _copy(Path(mirror).expanduser() / network.file, receive)
        else:
            _download(_address(network, mirror), receive)
        expect_file(partial, network, "Nothing was kept. Pull again; if it stays so, the source has another file.")
    put_in_place(partial, target)


def sha256_of(path: Path) -> str:
    """64 hexadecimal digits; reads the file by chunks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def expect_file(path: Path, network: Network, cure: str) -> None:
    """Raises ``ChecksumError`` with ``cure`` unless the file has the size and the sha256 of ``network``."""
    size = path.stat().st_size
    if size != network.bytes:
        raise ChecksumError(f"{network.file} has {size:,} bytes, its card says {network.bytes:,}.", cure)
    found = sha256_of(path)
    if found != network.sha256:
        raise ChecksumError(f"{network.file} has sha256 {found}, its card says {network.sha256}.", cure)


class _Receiver:
    """Writes what arrives to the partial file, never more than the card's bytes, and reports progress."""

    def __init__(self, network: Network, partial: Path, progress: Progress) -> None:
        self.network, self.partial = network, partial
        self._progress = progress

    def here(self) -> int:
        """Bytes of an earlier try; a partial file that is longer than the model is none."""
        size = self.partial.stat().st_size if self.partial.exists() else 0
        return size if size <= self.network.bytes else 0

    def take(self, chunks: Iterable[bytes], start: int) -> None:
        """Write ``chunks`` from byte ``start`` on and fsync. Raises ``ChecksumError`` when they are too many."""
        done = start
        with self.partial.open("ab" if start else "wb") as file:
            self._progress(done, self.network.bytes)
            for chunk in chunks:
                done += len(chunk)
                if done > self.network.bytes:
                    raise ChecksumError(
                        f"{self.network.file} is larger than the {self.network.bytes:,} bytes of its card.",
                        "Nothing was kept. The source has another file under this name.",
                    )
                file.write(chunk)
                self._progress(done, self.network.bytes)
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def _removed_when_wrong(partial: Path) -> Iterator[None]:
    try:
        yield
    except ChecksumError:
        partial.unlink(missing_ok=True)
        raise


def _copy(source: Path, receive: _Receiver) -> None:
    try:
        file = source.open("rb")
    except OSError as error:
        raise DownloadError(
            f"The mirror's file {source} cannot be read: {error.strerror}.", "Put it there, or correct MASKERY_MIRROR."
        ) from error
    with file:
        receive.take(iter(lambda: file.read(CHUNK), b""), 0)


def _address(network: Network, mirror: str) -> str:
    url = f"{mirror.rstrip('/')}/{quote(network.file)}" if mirror else network.url
    if urlsplit(url).scheme not in ("http", "https"):
        raise DownloadError(f"{network.file} cannot be fetched from {url!r}.", "Give a folder or an http(s) address.")
    return url


def _download(url: str, receive: _Receiver) -> None:
    import urllib3

    if receive.here() == receive.network.bytes:
        return  # complete, only its check was missing
    try:
        with _pool(url) as pool:
            if not _request(pool, url, receive, receive.here()):
                _request(pool, url, receive, 0)
    except urllib3.exceptions.HTTPError as error:
        raise DownloadError(
            f"{receive.network.file} could not be fetched from {url}: {_reason(error)}.", _CURE
        ) from error


_CURE = (
    "What has arrived is kept, and the next pull goes on from there. Check the network, or set MASKERY_MIRROR to a "
    "folder or URL that has the file; with --offline only models that are here are used."
)


def _request(pool: "PoolManager", url: str, receive: _Receiver, start: int) -> bool:
    """Ask for the bytes from ``start`` on and take them. False: the server cannot go on from there, start over."""
    headers = {"Accept-Encoding": "identity", "User-Agent": f"maskery/{__version__}"}
    if start:
        headers["Range"] = f"bytes={start}-"
    response = pool.request("GET", url, headers=headers, preload_content=False)
    try:
        if start and (response.status == 416 or (response.status == 206 and not _goes_on(response, start))):
            return False
        if response.status not in (200, 206):
            raise DownloadError(f"{url} answered {response.status} {response.reason or ''}".strip() + ".", _CURE)
        receive.take(response.stream(CHUNK, decode_content=False), start if response.status == 206 else 0)
        return True
    finally:
        response.close()


def _goes_on(response: "BaseHTTPResponse", start: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _pool(url: str) -> "PoolManager":
    """Connections with timeouts and retries, through the system's proxy where one is set for this address."""
    from urllib.request import getproxies, proxy_bypass

    import urllib3

    retries = urllib3.Retry(
        RETRIES,
        backoff_factor=BACKOFF_SECONDS,
        status_forcelist=(429, 500, 502, 503, 504),
        raise_on_status=False,
        respect_retry_after_header=False,
    )
    timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.netloc):
        return urllib3.ProxyManager(proxy, retries=retries, timeout=timeout)
    return urllib3.PoolManager(retries=retries, timeout=timeout)


def _reason(error: Exception) -> str:
    """What lies behind the retries, in one line."""
    reason = getattr(error, "reason", None)
    return first_line(reason if isinstance(reason, Exception) else error).rstrip(".")
