"""What golden answers are asked of: the package's models, its command line and servers, in a folder of their own."""

import http.client
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import maskery

ROOT = Path(__file__).parents[2]
MODELS = ROOT.parent / "shared" / "models"
PREFIX = "MASKERY_"
READY = "maskery: ready on http://127.0.0.1:"
BUILT_IN = ("everyday", "cifar10", "face-finder", "faces", "streets")
PULLED = (
    "bisenetv2-celebamaskhq-448", "deeplab-edgetpu-slim-cityscapes-513", "deeplabv3-mobilenetv2-dm05-voc-513",
    "deeplabv3-mobilenetv2-voc-257", "deeplabv3-mobilenetv2-voc-513", "mobilenetv3-small-imagenet-224",
    "prismanet-portrait-256", "road-segmentation-adas-0001", "selfie-256", "sinet-portrait-320",
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Server:
    """A server process."""

    port: int

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body or None, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()


@dataclass
class Workplace:
    """Use it as ``with Workplace(folder) as place``; models are pulled and servers started when first asked for."""

    folder: Path
    stack: ExitStack = field(default_factory=ExitStack)
    loaded: dict[str, Any] = field(default_factory=dict)

    def __enter__(self) -> "Workplace":
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    @cached_property
    def empty(self) -> dict[str, str]:
        """An environment without pulled models and without the user's settings."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        # As many threads on every machine, for sums may depend on it.
        return plain | {"MASKERY_CACHE": str(self.folder / "empty"), "MASKERY_THREADS": "2"}

    @cached_property
    def full(self) -> dict[str, str]:
        """An environment with all models of the catalogue, pulled through the mirror of the test material."""
        found = self.empty | {"MASKERY_CACHE": str(self.folder / "full"), "MASKERY_MIRROR": str(MODELS)}
        command = [sys.executable, "-m", "maskery", "models", "pull", "--accept-licence", *PULLED]
        subprocess.run(command, check=True, capture_output=True, env=found)
        return found

    def model(self, name: str) -> Any:
        """A loaded ``Segmenter``."""
        if name not in self.loaded:
            with _environment(self.full if name in PULLED else self.empty):
                self.loaded[name] = maskery.load(name)
        return self.loaded[name]

    @cached_property
    def server(self) -> Server:
        """A server with its defaults, and the built-in models alone, all loaded.

        Lists of models have those that are loaded first: what a server was asked before must not show.
        """
        return self.stack.enter_context(_serving(self.empty, *(f"--model={name}" for name in BUILT_IN)))

    @cached_property
    def stand_in(self) -> Server:
        """A server in the place of MAX-Image-Segmenter."""
        return self.stack.enter_context(_serving(self.empty, "--max"))

    @cached_property
    def portraits(self) -> Server:
        """A server whose default model finds a foreground; all models of the catalogue are there."""
        return self.stack.enter_context(_serving(self.full, "--model", "selfie-256"))

    def run(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """The command line, in the folder of the pictures."""
        command = [sys.executable, "-m", "maskery", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, cwd=self.folder, env=self.empty, check=False)


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _serving(environment: Mapping[str, str], *arguments: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "maskery", "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith(READY):
                break
        else:
            raise AssertionError("".join(lines))
        # Read on, or the pipe fills and the server stands still.
        reader = threading.Thread(target=process.stderr.read, daemon=True)
        reader.start()
        try:
            yield Server(int(line.removeprefix(READY)))
        finally:
            process.terminate()
            process.wait(timeout=60)
            reader.join(timeout=60)
