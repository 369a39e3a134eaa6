"""Jobs of a Maskery server from Python: send, watch, fetch. Needs httpx2."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskery.core.errors import BadRequest, MaskeryError, RemoteError
from maskery.core.files import partial_of, put_in_place, writing
from maskery.integrations.exchange import NOT_MASKERY, Reply, error_of

if TYPE_CHECKING:
    import httpx2

PAUSE_S, LONGEST_PAUSE_S = 0.5, 20.0
STILL_S = 60.0
"""The server says at least every 15 seconds that it is still there."""
JobFacts = dict[str, Any]
"""A job as the server describes it: id, kind, state, progress, counts, problem ... (docs/jobs.md)."""


class RemoteJobs:
    """The jobs of one key. ``http`` knows the server's address and the key. Thread-safe."""

    def __init__(self, http: "httpx2.Client") -> None:
        self._http = http

    def submit(
        self,
        files: Sequence[Path | str] = (),
        *,
        kind: str = "pictures",
        options: Mapping[str, Any] | None = None,
        url: str | None = None,
        idempotency: str | None = None,
    ) -> JobFacts:
        """Send pictures, a zip of them or a video, or the address of one. ``options``: those of the kind.

        Sent twice with the same ``idempotency`` it is one job. Raises ``BadRequest`` for a file that cannot be
        read, ``RemoteError``, and what the server refuses.
        """
        job = {"kind": kind, "options": dict(options or {})} | ({"url": url} if url else {})
        headers = {"Idempotency-Key": idempotency or str(uuid.uuid4())}
        if not files:
            return self._document(
                self._http.build_request("POST", "v1/jobs", json=job, headers=headers, timeout=STILL_S)
            )
        with ExitStack() as stack:
            parts: list[tuple[str, Any]] = [("job", (None, json.dumps(job)))]
            for path in map(Path, files):
                try:
                    file = stack.enter_context(path.open("rb"))
                except OSError as error:
                    raise BadRequest(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
                parts.append(("file", (path.name, file, "application/octet-stream")))
            whole = self._http.build_request("POST", "v1/jobs", files=parts, headers=headers, timeout=None)
            return self._document(whole)

    def all(self) -> list[JobFacts]:
        """Newest first."""
        found: list[JobFacts] = self._document(self._asked("GET", "v1/jobs"))["jobs"]
        return found

    def get(self, job_id: str) -> JobFacts:
        """Raises ``UnknownJob``."""
        return self._document(self._asked("GET", f"v1/jobs/{job_id}"))

    def watch(self, job_id: str) -> Iterator[JobFacts]:
        """Its events as they come, until it has ended. A connection that breaks is made again, and no event is lost."""
        import httpx2

        last, pause = 0, PAUSE_S
        while True:
            try:
                headers, timeout = {"Last-Event-ID": str(last)}, httpx2.Timeout(30, read=STILL_S)
                with self._http.stream("GET", f"v1/jobs/{job_id}/events", headers=headers, timeout=timeout) as reply:
                    if reply.status_code != 200:
                        reply.read()
                        raise _refusal(reply)
                    for line in reply.iter_lines():
                        if line.startswith("id: "):
                            last, pause = int(line[4:]), PAUSE_S
                        elif line.startswith("data: "):
                            yield json.loads(line[6:])
                if self.get(job_id)["ended"]:
                    return
            except httpx2.RequestError:
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)

    def wait(self, job_id: str) -> JobFacts:
        """The job at its end."""
        for _ in self.watch(job_id):
            pass
        return self.get(job_id)

    def files(self, job_id: str) -> dict[str, int]:
        """Name -> bytes of what it has written."""
        found = self._document(self._asked("GET", f"v1/jobs/{job_id}/files"))["files"]
        return {one["name"]: one["bytes"] for one in found}

    def fetch(self, job_id: str, folder: Path | str) -> list[Path]:
        """All that it has written, below ``folder``; what is there in full length already is left out.

        Raises ``OutputError``, ``RemoteError`` for a name that leads elsewhere.
        """
        paths = []
        for name, size in self.files(job_id).items():
            path = Path(folder) / name
            if not path.resolve().is_relative_to(Path(folder).resolve()):
                raise RemoteError(f"The server names a file {name!r}.", NOT_MASKERY)
            if not path.is_file() or path.stat().st_size != size:
                self._download(f"v1/jobs/{job_id}/files/{name}", path)
            paths.append(path)
        return paths

    def cancel(self, job_id: str) -> JobFacts:
        """End it; what it has written stays."""
        return self._document(self._asked("POST", f"v1/jobs/{job_id}/cancel"))

    def remove(self, job_id: str) -> None:
        """End it and remove all of it."""
        self._send(self._asked("DELETE", f"v1/jobs/{job_id}"))

    def _download(self, address: str, path: Path) -> None:
        import httpx2

        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with self._http.stream("GET", address, timeout=STILL_S) as reply, partial_of(path).open("wb") as file:
                    if reply.status_code != 200:
                        reply.read()
                        raise _refusal(reply)
                    for chunk in reply.iter_bytes():
                        file.write(chunk)
            except httpx2.RequestError as error:
                raise RemoteError(f"{path.name} was not fetched: {error}.", "Fetch again; the rest goes on.") from error
            put_in_place(partial_of(path), path)

    def _asked(self, verb: str, path: str) -> "httpx2.Request":
        return self._http.build_request(verb, path, timeout=STILL_S)

    def _document(self, request: "httpx2.Request") -> JobFacts:
        found: JobFacts = self._send(request).json()
        return found

    def _send(self, request: "httpx2.Request") -> "httpx2.Response":
        import httpx2

        try:
            reply = self._http.send(request)
        except httpx2.RequestError as error:
            address = self._http.base_url
            raise RemoteError(f"{address} did not answer: {error}.", "Check the address and the server.") from error
        if reply.status_code >= 300:
            raise _refusal(reply)
        return reply


def _refusal(reply: "httpx2.Response") -> MaskeryError:
    headers = {name.lower(): value for name, value in reply.headers.items()}
    return error_of(Reply(reply.status_code, headers, reply.content))
