"""A real server process."""

import http.client
import os
import socket
import subprocess
import sys
import threading

READY = "maskery: ready on http://127.0.0.1:"


class Server:
    def __init__(self, *arguments: str, **environment: str) -> None:
        command = [sys.executable, "-m", "maskery", "serve", "--port", "0", *arguments]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | environment)
        assert self.process.stderr is not None
        self.lines: list[str] = []
        for line in self.process.stderr:
            self.lines.append(line)
            if line.startswith(READY):
                self.port = int(line.removeprefix(READY))
                # Read on, or the pipe fills and the server stands still.
                self._reader = threading.Thread(
                    target=lambda: self.lines.extend(self.process.stderr or []), daemon=True
                )
                self._reader.start()
                return
        raise AssertionError("".join(self.lines))

    def post(self, body: bytes, query: str = "", patience: float = 30) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience)
        try:
            connection.request("POST", f"/v1/segment{query}", body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def raw(self, data: bytes) -> bytes:
        """Send bytes as they are and read until the server closes or says no more for two seconds."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(data)
            connection.settimeout(2)
            received = b""
            try:
                while part := connection.recv(65_536):
                    received += part
            except TimeoutError:
                return received
            return received

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.kill()
        self._ended()

    def stop(self) -> int:
        self.process.terminate()
        return self._ended()

    def _ended(self) -> int:
        code = self.process.wait(timeout=40)
        self._reader.join(timeout=40)  # reads until the process has closed its end
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code
