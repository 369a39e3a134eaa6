"""A small HTTP server on 127.0.0.1 that misbehaves as a test wants it to."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """``requests``: (path, Range header) of every request so far, as they came."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    """Whether Range is understood; without, the whole file comes with 200."""
    shifted: bool = False
    """Answer 206 with the wrong part."""
    cut_after: int | None = None
    """Break the connection after so many bytes of the body, once."""
    failures: int = 0
    """Answer so many requests with 503 first."""
    redirects: dict[str, str] = field(default_factory=dict)
    endless: bool = False
    """Send the file again and again, without Content-Length."""
    stall: threading.Event | None = None
    """Send the headers only, and wait."""
    delay: float = 0.0
    """Seconds before the body."""
    sent: int = 0
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(server: FileServer) -> Iterator[FileServer]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            _answer(self, server)

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{httpd.server_port}"
    try:
        yield server
    finally:
        if server.stall:
            server.stall.set()
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def _answer(handler: BaseHTTPRequestHandler, server: FileServer) -> None:
    asked = handler.headers.get("Range")
    server.requests.append((handler.path, asked))
    if server.failures:
        server.failures -= 1
        handler.send_error(503)
        return
    if handler.path in server.redirects:
        handler.send_response(302)
        handler.send_header("Location", server.redirects[handler.path])
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    data = server.files.get(handler.path)
    if data is None:
        handler.send_error(404)
        return
    start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.ranges else 0
    if start >= len(data):
        handler.send_error(416)
        return
    handler.send_response(206 if start else 200)
    if start:
        first = 0 if server.shifted else start
        handler.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
    if not server.endless:
        handler.send_header("Content-Length", str(len(data) - start))
    handler.end_headers()
    _send(handler, server, data[start:])


def _send(handler: BaseHTTPRequestHandler, server: FileServer, body: bytes) -> None:
    if server.stall:
        server.stall.wait(10)
        return
    time.sleep(server.delay)
    if server.cut_after is not None:
        body, server.cut_after = body[: server.cut_after], None
    try:
        while True:
            handler.wfile.write(body)
            server.sent += len(body)
            if not server.endless:
                return
    except OSError:
        handler.close_connection = True  # the client has gone
