"""Videos made for tests: coloured squares that move as is known, in every form that gives readers trouble."""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from maskery.core.result.instances import Instance, InstanceResult, crop_mask
from maskery.core.result.meta import Frame, Meta, ModelInfo
from maskery.core.result.types import SemanticResult

Pixels = NDArray[np.uint8]
RED, BLUE = (200, 30, 30), (30, 30, 200)
SIDE = 16


def scene(index: int, size_wh: tuple[int, int] = (96, 64)) -> Pixels:
    """Grey, with a red square that goes right by 2 pixels a frame and a blue one that goes left below it."""
    width, height = size_wh
    pixels = np.full((height, width, 3), 90, np.uint8)
    for (left, top), colour in zip(places(index, size_wh), (RED, BLUE), strict=True):
        pixels[top : top + SIDE, max(0, left) : max(0, left + SIDE)] = colour
    return pixels


def places(index: int, size_wh: tuple[int, int] = (96, 64)) -> list[tuple[int, int]]:
    """Left and top of the red and the blue square."""
    return [(2 * index - 10, 8), (size_wh[0] - 6 - 2 * index, 36)]


def film(
    path: Path,
    frames: Iterable[Pixels],
    *,
    codec: str = "mpeg4",
    times: Sequence[int] | None = None,
    rate: int = 25,
    form: str = "yuv420p",
    adjust: Callable[[Any], None] = lambda stream: None,
    sound: bool = False,
    options: dict[str, str] | None = None,
) -> Path:
    """Write the frames; ``times``: in frames' lengths, 0, 1, 2 ... by default. ``adjust`` may change the stream."""
    with av.open(str(path), "w") as container:
        stream: Any = None
        track: Any = container.add_stream("aac", rate=48_000) if sound else None
        if track is not None:
            track.layout = "mono"
        for i, pixels in enumerate(frames):
            if stream is None:
                stream = container.add_stream(codec, rate=rate, options=options or {})
                stream.height, stream.width, stream.pix_fmt = *pixels.shape[:2], form
                stream.codec_context.time_base = Fraction(1, rate)
                if codec == "mpeg4":
                    stream.codec_context.qmin = stream.codec_context.qmax = 2
                adjust(stream)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = times[i] if times else i, Fraction(1, rate)
            container.mux(stream.encode(frame))
            if track is not None:
                _beep(container, track, i, rate)
        container.mux(stream.encode(None))
        if track is not None:
            container.mux(track.encode(None))
    return path


def _beep(container: Any, track: Any, index: int, rate: int) -> None:
    count = 48_000 // rate
    wave = np.sin(2 * np.pi * 440 * (np.arange(count) + index * count) / 48_000).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, index * count, Fraction(1, 48_000)
    container.mux(track.encode(frame))


def decoded(path: Path) -> list[Pixels]:
    """Every frame of a video, RGB."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def times_of(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(video=0)]


def meta_of(size_wh: tuple[int, int], task: str = "instance") -> Meta:
    frame = Frame(
        original_wh=size_wh,
        orientation=1,
        working_wh=size_wh,
        scale_xy=(1.0, 1.0),
        padding=(0, 0, 0, 0),
        answer_wh=None,
    )
    return Meta(
        task=task,
        labels=("background", "red", "blue"),
        palette=((0, 0, 0), RED, BLUE),
        frame=frame,
        model=ModelInfo("squares", "1", "0" * 64),
        timings_ms={},
    )


def square_masks(pixels: Pixels) -> list[NDArray[np.bool_]]:
    """Where red and where blue is."""
    values = pixels.astype(np.int16)
    return [values[..., 0] - values[..., 2] > 70, values[..., 2] - values[..., 0] > 70]


def see_objects(pixels: Pixels) -> InstanceResult:
    """A model that finds the squares, with masks."""
    found = []
    for class_id, mask in enumerate(square_masks(pixels), 1):
        crop = crop_mask(mask)
        (left, top), (width, height) = crop.left_top, crop.size_wh
        if crop.area > 20:
            box = (float(left), float(top), float(left + width), float(top + height))
            found.append(Instance(id=class_id, class_id=class_id, score=0.9, box_xyxy=box, mask=crop))
    return InstanceResult(meta_of((pixels.shape[1], pixels.shape[0])), tuple(found))


def see_classes(pixels: Pixels) -> SemanticResult:
    """A model that gives each pixel its class."""
    red, blue = square_masks(pixels)
    ids = np.where(red, 1, np.where(blue, 2, 0)).astype(np.uint8)
    return SemanticResult(
        meta=meta_of((pixels.shape[1], pixels.shape[0]), "semantic"), class_map=ids, decided_by="colour"
    )
