"""Pictures by URL: every attack is refused without a connection, and hostile servers get neither time nor memory."""

import gzip
import itertools
import logging
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream
from starlette.testclient import TestClient

from maskery.core.errors import BadUrl, MaskeryError, TooLarge, UnsupportedPicture, UrlNotFetched
from maskery.core.picture import decode
from maskery.core.settings import Settings
from maskery.serving.app import create_app
from maskery.serving.http.problems import status_of
from maskery.serving.remote import fetch as fetching
from maskery.serving.remote.fetch import Fetcher
from tests.material import encoded, photo
from tests.serving.attack_urls import FORMS, NAMES
from tests.serving.raw_server import CERTIFICATE, RawServer, Script, answer, raw_server

PUBLIC = "93.184.215.14"
PICTURE = b"\xff\xd8\xff a picture, as far as fetching cares"
OK = answer("200 OK", f"Content-Length: {len(PICTURE)}", body=PICTURE)


class Wire:
    """Stands in for name servers and the internet, and remembers what was asked of it.

    ``names``: host -> the answers to its look-ups, in turn; the last one again and again. ``port``: where on 127.0.0.1
    connections really go; without it the test fails as soon as one is made.
    """

    def __init__(self, names: dict[str, Sequence[list[str]]], port: int | None = None) -> None:
        self.names, self.port = names, port
        self.lookups: list[str] = []
        self.connections: list[tuple[str, int]] = []

    async def resolve(self, host: str, port: int) -> list[str]:
        self.lookups.append(host)
        answers = self.names.get(host)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return answers[min(self.lookups.count(host), len(answers)) - 1]

    async def connect(self, address: str, port: int, context: ssl.SSLContext | None, name: str) -> ByteStream:
        self.connections.append((address, port))
        assert self.port is not None, f"a connection to {address}:{port} was made"
        trusting = ssl.create_default_context(cafile=CERTIFICATE) if context else None
        return await fetching.connect("127.0.0.1", self.port, trusting, name)

    def fetch(self, url: str, **settings: Any) -> bytes:
        fetcher = Fetcher(Settings(**settings), self.resolve, self.connect)
        return anyio.run(fetcher.fetch, url)


@pytest.fixture
def serve() -> Iterator[Callable[..., RawServer]]:
    """``serve(script)`` starts a server that stands until the end of the test."""
    with ExitStack() as stack:
        yield lambda script, tls=False: stack.enter_context(raw_server(script, tls))


def says(*parts: bytes) -> Script:
    return lambda connection, _: connection.sendall(b"".join(parts))


def public(server: RawServer) -> Wire:
    """photos.example and PUBLIC lead to this server."""
    return Wire({"photos.example": [[PUBLIC]]}, server.port)


def refused(error: MaskeryError, status: int, code: str) -> None:
    assert (status_of(error), error.code) == (status, code)
    assert error.cure


# ---------------------------------------------------------------- attacks


def test_there_are_enough_of_them() -> None:
    assert len(FORMS) + len(NAMES) >= 200


@pytest.mark.parametrize("mode", ["public", "allow-list"])
@pytest.mark.parametrize("url", FORMS)
def test_attack_forms_are_refused_without_lookup_and_connection(url: str, mode: str) -> None:
    wire = Wire({})
    with pytest.raises(BadUrl) as caught:
        wire.fetch(url, url_input=mode)
    refused(caught.value, 400, "bad-url")
    assert wire.lookups == wire.connections == []


@pytest.mark.parametrize("url", NAMES)
def test_attack_names_are_refused_without_connection(url: str, caplog: pytest.LogCaptureFixture) -> None:
    addresses, _ = NAMES[url]
    host = url.split("/")[2]
    wire = Wire({host: [addresses]})
    with caplog.at_level(logging.INFO, "maskery"), pytest.raises(BadUrl) as caught:
        wire.fetch(url)
    refused(caught.value, 400, "bad-url")
    assert wire.lookups == [host]
    assert wire.connections == []
    assert not any(address in str(caught.value) for address in addresses), "the own network is none of the caller's"
    assert host in caplog.text


# Those that are no path, and that a header can say.
LOCATIONS = [url for url in [*FORMS, *NAMES] if ":" in url.partition("/")[0] and url.isprintable() and " " not in url]


@pytest.mark.parametrize("url", LOCATIONS)
def test_redirects_to_attacks_are_refused(url: str, serve: Callable[..., RawServer]) -> None:
    server = serve(says(answer("302 Found", f"Location: {url.encode().decode('latin-1')}", "Content-Length: 0")))
    wire = public(server)
    wire.names |= {name.split("/")[2]: [addresses] for name, (addresses, _) in NAMES.items()}
    with pytest.raises(BadUrl):
        wire.fetch("http://photos.example/")
    assert wire.connections == [(PUBLIC, 80)]


def test_a_name_is_looked_up_once_and_the_checked_address_is_connected_to(serve: Callable[..., RawServer]) -> None:
    """DNS rebinding: a second look-up would give a private address."""
    server = serve(says(OK))
    wire = Wire({"photos.example": [[PUBLIC], ["127.0.0.1"]]}, server.port)
    assert wire.fetch("http://photos.example/cat.jpg?size=1") == PICTURE
    assert wire.lookups == ["photos.example"]
    assert wire.connections == [(PUBLIC, 80)]
    assert server.requests[0].startswith(b"GET /cat.jpg?size=1 HTTP/1.1\r\n")
    assert b"\r\nHost: photos.example\r\n" in server.requests[0]


def test_rebinding_between_redirects(serve: Callable[..., RawServer]) -> None:
    server = serve(says(answer("302 Found", "Location: /again", "Content-Length: 0")))
    wire = Wire({"photos.example": [[PUBLIC], ["10.0.0.1"]]}, server.port)
    with pytest.raises(BadUrl):
        wire.fetch("http://photos.example/")
    assert wire.connections == [(PUBLIC, 80)]


def test_the_machine_s_own_public_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskery.serving.remote.address.is_own", lambda text: text == PUBLIC)
    with pytest.raises(BadUrl):
        Wire({"photos.example": [[PUBLIC]]}).fetch("http://photos.example/")


def test_proxies_of_the_environment_are_not_used(
    serve: Callable[..., RawServer], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    wire = public(serve(says(OK)))
    assert wire.fetch("http://photos.example/") == PICTURE
    assert wire.connections == [(PUBLIC, 80)]
    assert "proxy of the environment is not used" in caplog.text


# ---------------------------------------------------------------- switches and the allow-list


@pytest.mark.parametrize("settings", [{"url_input": "off"}, {"offline": True}])
def test_off(settings: dict[str, Any]) -> None:
    with pytest.raises(BadUrl, match="no pictures by URL"):
        Wire({}).fetch("http://photos.example/", **settings)


def test_a_real_server_through_the_allow_list(serve: Callable[..., RawServer]) -> None:
    picture = encoded(photo("chelsea"), "JPEG")
    server = serve(says(answer("200 OK", "Content-Type: text/html", f"Content-Length: {len(picture)}", body=picture)))
    settings = Settings(url_input="allow-list", url_allow=(f"localhost:{server.port}", f"127.0.0.1:{server.port}"))
    for host in ("localhost", "127.0.0.1"):
        data = anyio.run(Fetcher(settings).fetch, f"http://{host}:{server.port}/cat.jpg")
        opened = decode.open_picture(data, max_bytes=settings.max_bytes, max_pixels=settings.max_pixels)
        assert opened.format == "JPEG"
    assert f"\r\nHost: 127.0.0.1:{server.port}\r\n".encode() in server.requests[1]


def test_allow_list_only() -> None:
    wire = Wire({"photos.example": [[PUBLIC]]})
    with pytest.raises(BadUrl, match="not on this server's list"):
        wire.fetch("http://photos.example/", url_input="allow-list", url_allow=("nas",))
    assert wire.lookups == []


def test_listed_hosts_may_be_private_but_not_metadata(serve: Callable[..., RawServer]) -> None:
    server = serve(says(OK))
    for private in ("10.0.0.5", "fd12::1", "127.0.0.1"):
        wire = Wire({"nas": [[private]]}, server.port)
        assert wire.fetch("http://nas:9000/", url_allow=("nas:9000",)) == PICTURE
        assert wire.connections == [(private, 9000)]
    for closed in ("169.254.169.254", "fd00:ec2::254", "0.0.0.0", "224.0.0.1"):
        with pytest.raises(BadUrl):
            Wire({"nas": [[closed]]}).fetch("http://nas/", url_allow=("nas",))


def test_listed_host_other_port() -> None:
    with pytest.raises(BadUrl):
        Wire({}).fetch("http://127.0.0.1:9001/", url_allow=("127.0.0.1:9000",))


# ---------------------------------------------------------------- redirects


def test_redirects_are_followed(serve: Callable[..., RawServer]) -> None:
    hops = {
        b"/a": "/b",
        b"/b": "c?x=1",
        b"/c?x=1": "//photos.example/d",
        b"/d": "http://photos.example:8080/\xe4 b",
        b"/%E4%20b": "?last",
    }

    def script(connection: socket.socket, head: bytes) -> None:
        path = head.split(b" ")[1]
        redirect = hops.get(path)
        connection.sendall(answer("301 Moved", f"Location: {redirect}", "Content-Length: 0") if redirect else OK)

    server = serve(script)
    wire = public(server)
    assert wire.fetch("http://photos.example/a") == PICTURE
    assert [head.split(b" ")[1] for head in server.requests][-1] == b"/%E4%20b?last"
    assert wire.connections[-1] == (PUBLIC, 8080)


def test_redirect_loops_end(serve: Callable[..., RawServer]) -> None:
    server = serve(says(answer("302 Found", "Location: /", "Content-Length: 0")))
    with pytest.raises(UrlNotFetched, match="more than 5 times") as caught:
        public(server).fetch("http://photos.example/")
    refused(caught.value, 424, "url-not-fetched")
    assert len(server.requests) == 6


# ---------------------------------------------------------------- TLS


def test_tls_checks_the_name_at_the_checked_address(serve: Callable[..., RawServer]) -> None:
    server = serve(says(OK), tls=True)
    wire = public(server)
    assert wire.fetch("https://photos.example/") == PICTURE
    assert wire.connections == [(PUBLIC, 443)]
    assert server.names == ["photos.example"]
    assert wire.fetch(f"https://{PUBLIC}/") == PICTURE


def test_tls_with_another_name(serve: Callable[..., RawServer]) -> None:
    server = serve(says(OK), tls=True)
    wire = Wire({"other.example": [[PUBLIC]]}, server.port)
    with pytest.raises(UrlNotFetched, match="certificate"):
        wire.fetch("https://other.example/")
    assert server.requests == []


def test_tls_with_an_unknown_issuer(serve: Callable[..., RawServer]) -> None:
    server = serve(says(OK), tls=True)
    settings = Settings(url_allow=(f"localhost:{server.port}",))
    with pytest.raises(UrlNotFetched, match="certificate"):
        anyio.run(Fetcher(settings).fetch, f"https://localhost:{server.port}/")


def test_no_way_back_to_plain_http(serve: Callable[..., RawServer]) -> None:
    server = serve(says(answer("302 Found", "Location: http://photos.example/", "Content-Length: 0")), tls=True)
    with pytest.raises(BadUrl, match="from https to http"):
        public(server).fetch("https://photos.example/")


# ---------------------------------------------------------------- hostile and broken servers


def drip(parts: Iterator[bytes]) -> Script:
    """A part every 20 ms, for as long as the client stays."""

    def script(connection: socket.socket, _: bytes) -> None:
        for part in parts:
            connection.sendall(part)
            time.sleep(0.02)

    return script


def silent(connection: socket.socket, _: bytes) -> None:
    connection.recv(1)  # until the client leaves


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=["header", "body", "endless"],
)
def test_slow_servers_are_given_up(serve: Callable[..., RawServer], start: bytes) -> None:
    server = serve(drip(itertools.chain([start], itertools.repeat(b"H"))))
    before = time.monotonic()
    with pytest.raises(UrlNotFetched, match=r"within 0\.5 seconds") as caught:
        public(server).fetch("http://photos.example/", url_timeout=0.5)
    assert time.monotonic() - before < 5
    refused(caught.value, 424, "url-not-fetched")


@pytest.mark.parametrize(
    ("url", "script"),
    [
        ("http://photos.example/", silent),
        ("http://photos.example/", drip(itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"))),
        ("https://photos.example/", silent),
    ],
    ids=["silence", "continue", "no handshake"],
)
def test_servers_that_never_come_to_the_point(serve: Callable[..., RawServer], url: str, script: Script) -> None:
    with pytest.raises(UrlNotFetched, match=r"within 0\.5 seconds"):
        public(serve(script)).fetch(url, url_timeout=0.5)


def test_a_name_server_that_never_answers() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        await anyio.sleep_forever()
        raise AssertionError

    fetcher = Fetcher(Settings(url_timeout=0.2), resolve)
    with pytest.raises(UrlNotFetched, match=r"within 0\.2 seconds"):
        anyio.run(fetcher.fetch, "http://photos.example/")


def test_an_address_that_never_answers_is_passed_over(
    serve: Callable[..., RawServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "CONNECT_SECONDS", 0.1)
    wire = Wire({"photos.example": [["2606:2800:220:1::1", PUBLIC]]}, serve(says(OK)).port)
    tried = []

    async def connect(address: str, port: int, context: ssl.SSLContext | None, name: str) -> ByteStream:
        tried.append(address)
        if ":" in address:
            await anyio.sleep_forever()
        return await wire.connect(address, port, context, name)

    assert anyio.run(Fetcher(Settings(), wire.resolve, connect).fetch, "http://photos.example/") == PICTURE
    assert tried == ["2606:2800:220:1::1", PUBLIC]


def test_only_a_few_addresses_are_tried() -> None:
    tried = []

    async def resolve(host: str, port: int) -> list[str]:
        return [f"93.184.215.{n}" for n in range(1, 200)]

    async def connect(address: str, port: int, context: ssl.SSLContext | None, name: str) -> ByteStream:
        tried.append(address)
        raise ConnectionRefusedError

    with pytest.raises(UrlNotFetched, match="No connection"):
        anyio.run(Fetcher(Settings(), resolve, connect).fetch, "http://photos.example/")
    assert len(tried) == fetching.ADDRESSES_TRIED


def endless(head: bytes, part: bytes) -> Script:
    def script(connection: socket.socket, _: bytes) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(part)

    return script


CHUNKED = answer("200 OK", "Transfer-Encoding: chunked")


@pytest.mark.parametrize(
    "script",
    [
        says(answer("200 OK", "Content-Length: 100001"), PICTURE),
        says(answer("200 OK", "Content-Length: 99999999999999999999"), PICTURE),
        endless(answer("200 OK"), bytes(65_536)),
        endless(CHUNKED, b"8000\r\n" + bytes(0x8000) + b"\r\n"),
    ],
    ids=["announced", "announced far too large", "until closed", "chunked"],
)
def test_too_large(serve: Callable[..., RawServer], script: Script) -> None:
    with pytest.raises(TooLarge, match="100,000") as caught:
        public(serve(script)).fetch("http://photos.example/", max_bytes=100_000)
    refused(caught.value, 413, "too-large")


@pytest.mark.parametrize(
    ("script", "says_"),
    [
        (says(answer("200 OK", "Content-Length: 1000"), PICTURE), "proper HTTP"),
        (says(CHUNKED, b"10\r\nonly this"), "proper HTTP"),
        (says(CHUNKED, b"zz\r\nno number\r\n"), "proper HTTP"),
        (says(answer("200 OK", "Content-Length: 5", "Content-Length: 6"), PICTURE), "proper HTTP"),
        (says(answer("200 OK", "Content-Length: -5"), PICTURE), "proper HTTP"),
        (says(b"SSH-2.0-OpenSSH_9.6\r\n"), "proper HTTP"),
        (says(b""), "proper HTTP"),
        (says(answer("101 Switching Protocols", "Upgrade: x")), "proper HTTP"),
        (says(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 20_000), "proper HTTP"),
        (endless(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 65_536), "proper HTTP"),
        (endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100), "proper HTTP"),
        (endless(CHUNKED, b"1\r\nx\r\n" * 1000), "proper HTTP"),
        (endless(CHUNKED, b"4;" + b"x" * 4000 + b"\r\nabcd\r\n"), "proper HTTP"),
        (says(answer("404 Not Found", "Content-Length: 0")), "answered 404 Not Found"),
        (says(answer("299 Odd", "Content-Length: 0")), "answered 299"),
        (says(answer("302 Found", "Content-Length: 0")), "answered 302 Found"),
        (says(answer("206 Partial Content", "Content-Length: 0")), "answered 206"),
        (says(answer("500 Oh", "Content-Length: 0")), "answered 500"),
    ],
)
def test_broken_answers(serve: Callable[..., RawServer], script: Script, says_: str) -> None:
    with pytest.raises(UrlNotFetched, match=says_) as caught:
        public(serve(script)).fetch("http://photos.example/", url_timeout=10)
    refused(caught.value, 424, "url-not-fetched")
    assert "SSH" not in str(caught.value), "what another service said is not passed on"


def test_compressed_bodies_are_refused_unread(serve: Callable[..., RawServer]) -> None:
    """A bomb: 100 MB of zeros in 100 kB."""
    bomb = gzip.compress(bytes(100_000_000), 9)
    for name, body in (("gzip", bomb), ("deflate", zlib.compress(bytes(1000))), ("br", b"x"), ("GZIP, identity", bomb)):
        server = serve(says(answer("200 OK", f"Content-Encoding: {name}", f"Content-Length: {len(body)}", body=body)))
        with pytest.raises(UrlNotFetched, match="compressed"):
            public(server).fetch("http://photos.example/")
        assert b"Accept-Encoding: identity" in server.requests[0]


def test_a_page_is_no_picture(serve: Callable[..., RawServer]) -> None:
    page = b"<!doctype html><title>Log in</title>"
    server = serve(says(answer("200 OK", "Content-Type: image/jpeg", f"Content-Length: {len(page)}", body=page)))
    data = public(server).fetch("http://photos.example/cat.jpg")
    with pytest.raises(UnsupportedPicture, match="HTML"):
        decode.open_picture(data, max_bytes=1000, max_pixels=1000)


def test_bodies_without_length(serve: Callable[..., RawServer]) -> None:
    for script in (says(answer("200 OK"), PICTURE), says(CHUNKED, b"3\r\n\xff\xd8\xff\r\n0\r\n\r\n")):
        assert public(serve(script)).fetch("http://photos.example/").startswith(b"\xff\xd8\xff")
    assert public(serve(says(answer("200 OK"), PICTURE), tls=True)).fetch("https://photos.example/") == PICTURE


def test_early_hints_are_skipped(serve: Callable[..., RawServer]) -> None:
    hints = answer("103 Early Hints", "Link: </a.css>")
    assert public(serve(says(hints, hints, OK))).fetch("http://photos.example/") == PICTURE


def test_unknown_host() -> None:
    with pytest.raises(UrlNotFetched, match="There is no host"):
        Wire({}).fetch("http://nowhere.example/")


def test_many_at_once_wait_for_their_turn(serve: Callable[..., RawServer]) -> None:
    wire = public(serve(says(OK)))
    most = now = 0

    async def connect(address: str, port: int, context: ssl.SSLContext | None, name: str) -> ByteStream:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await anyio.sleep(0.02)
        now -= 1
        return await wire.connect(address, port, context, name)

    async def main() -> None:
        fetcher = Fetcher(Settings(), wire.resolve, connect)
        async with anyio.create_task_group() as group:
            for _ in range(30):
                group.start_soon(fetcher.fetch, "http://photos.example/")

    anyio.run(main)
    assert most == fetching.AT_ONCE


def test_fetched_bytes_count_as_sent_ones(serve: Callable[..., RawServer]) -> None:
    picture = encoded(photo("chelsea"), "JPEG") + bytes(3_000_000)
    server = serve(says(answer("200 OK", f"Content-Length: {len(picture)}", body=picture)))
    settings = Settings(url_allow=(f"127.0.0.1:{server.port}",), max_waiting_bytes=1_000_000)
    app = create_app(settings)
    response = TestClient(app).get(f"/v1/segment?url=http://127.0.0.1:{server.port}/cat.jpg")
    assert response.status_code == 413, response.text
    assert response.json()["detail"] == "The request has more than 1,000,000 bytes, all that may wait here together."
    assert app.state.body_quota.held == 0
