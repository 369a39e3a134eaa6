"""Pictures that wait for the next click: their pixels, what the encoder made of them, and the answers so far."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.core.arrays import Array, Floats
from maskery.core.picture.decode import Picture
from maskery.core.prompt import Prompt
from maskery.inference.faces.region import whole
from maskery.inference.faces.view import View
from maskery.inference.prompts.prompt_plan import kept_size
from maskery.inference.prompts.prompt_window import PromptWindow

WINDOWS_KEPT, TRACES_KEPT = 4, 64
"""Of one picture."""

K = TypeVar("K")
V = TypeVar("V")
Maps = dict[str, Array]
"""What the encoder gives for one window, by tensor, each (1, C, h, w)."""


@dataclass(frozen=True, eq=False)
class Trace:
    """What an answer leaves to the next one: (cells, cells) float16 probabilities of ``window``.

    ``cut``: the object reaches beyond the window.
    """

    window: PromptWindow
    probabilities: NDArray[np.float16]
    cut: bool = False


class _Recent(Generic[K, V]):
    """The last ``most`` values by key."""

    def __init__(self, most: int) -> None:
        self._most, self._values = most, OrderedDict[K, V]()

    def get(self, key: K) -> V | None:
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        while len(self._values) > self._most:
            self._values.popitem(last=False)

    def values(self) -> list[V]:
        return list(self._values.values())


class EmbeddedPicture:
    """One picture that is asked about. Thread-safe.

    ``view``: all of the upright picture, at ``kept_size``; ``size_wh``: its own size; ``encode``: what the
    encoder makes of a window. Maps are kept as float16.
    """

    def __init__(self, view: View, size_wh: tuple[int, int], encode: Callable[[View, PromptWindow], Maps]) -> None:
        self.view, self.size_wh = view, size_wh
        self._encode = encode
        self._maps = _Recent[PromptWindow, Maps](WINDOWS_KEPT)
        self._traces = _Recent[Prompt, Trace](TRACES_KEPT)
        self._lock, self._encoding = threading.Lock(), threading.Lock()

    def maps(self, window: PromptWindow) -> Mapping[str, Floats]:
        """The encoder's maps of ``window``, float32; made where they are not there, by one thread."""
        with self._encoding:
            with self._lock:
                kept = self._maps.get(window)
            if kept is None:
                kept = {name: values.astype(np.float16) for name, values in self._encode(self.view, window).items()}
                with self._lock:
                    self._maps.put(window, kept)
        return {name: values.astype(np.float32) for name, values in kept.items()}

    def trace(self, prompt: Prompt) -> Trace | None:
        """What the answer to this very prompt left, where it is still there."""
        with self._lock:
            return self._traces.get(prompt)

    def keep(self, prompt: Prompt, trace: Trace) -> None:
        """Remember what an answer left."""
        with self._lock:
            self._traces.put(prompt, trace)

    @property
    def bytes(self) -> int:
        """What is held of it now."""
        with self._lock:
            maps = sum(values.nbytes for kept in self._maps.values() for values in kept.values())
            traces = sum(trace.probabilities.nbytes for trace in self._traces.values())
        width, height = self.view.size_wh
        return maps + traces + 3 * width * height


def kept_view(view: View, size_wh: tuple[int, int]) -> View:
    """A view of a whole picture of ``size_wh`` at the size at which it is kept, with pixels of its own."""
    smaller = kept_size(size_wh)
    if view.size_wh[0] * view.size_wh[1] <= smaller[0] * smaller[1]:
        return View(np.array(view.pixels), view.region)
    return View(np.asarray(view.crop(whole(size_wh), smaller, 0)), view.region)


def digest_of(picture: Picture) -> str:
    """32 hexadecimal digits by which a picture is known: of its bytes or pixels, and how they are turned."""
    source = picture.source
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{picture.format} {picture.orientation} {picture.size_wh}".encode())
    if isinstance(source, bytes):
        digest.update(source)
    elif isinstance(source, Image.Image):
        digest.update(f"{source.mode} {source.info.get('transparency')}".encode())
        digest.update(source.tobytes())
    else:
        digest.update(f"{source.dtype} {source.shape}".encode())
        digest.update(source.tobytes())
    return digest.hexdigest()
