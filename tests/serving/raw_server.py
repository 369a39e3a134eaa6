"""A server on 127.0.0.1 that sends what a test says, byte for byte."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

CERTIFICATE = Path(__file__).parent / "photos_example.pem"

Script = Callable[[socket.socket, bytes], None]
"""(connection, the request's head) -> what it answers. The connection is closed afterwards."""


class RawServer:
    """``requests``: the head of every request so far. ``names``: what each TLS client asked for by SNI."""

    def __init__(self, script: Script, tls: bool) -> None:
        self.requests: list[bytes] = []
        self.names: list[str | None] = []
        self.stopped = threading.Event()
        self._script = script
        self._context = self._tls_context() if tls else None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.port: int = self._socket.getsockname()[1]
        self._threads[0].start()

    def _tls_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        context.sni_callback = lambda _, name, __: self.names.append(name)
        return context

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        try:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            head = b""
            while b"\r\n\r\n" not in head and (part := connection.recv(65_536)):
                head += part
            self.requests.append(head)
            self._script(connection, head)
        except OSError:
            self.stopped.set()  # the client has gone
        finally:
            connection.close()

    def close(self) -> None:
        self.stopped.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(timeout=10)


@contextmanager
def raw_server(script: Script, tls: bool = False) -> Iterator[RawServer]:
    server = RawServer(script, tls)
    try:
        yield server
    finally:
        server.close()


def answer(*lines: str, body: bytes = b"") -> bytes:
    """``answer("200 OK", "Content-Length: 3", body=b"abc")``"""
    return "\r\n".join(("HTTP/1.1 " + lines[0], *lines[1:], "", "")).encode("latin-1") + body
