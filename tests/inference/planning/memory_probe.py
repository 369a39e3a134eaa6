"""Run by test_memory_estimates in a process of its own: what pictures really take, beside what was estimated.

Prints one JSON line a case: [what it is, estimated bytes, measured bytes].
"""

import io
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.core.picture import decode
from maskery.core.plan import RunOptions
from maskery.core.process_memory import give_back, peak_since_reset, reset_peak, resident_bytes
from maskery.core.settings import load_settings
from maskery.encode.raster import png
from maskery.encode.registry import ENCODERS, encode
from maskery.inference.pipeline import Model, load_model
from maskery.inference.planning.footprint import measure_footprint
from maskery.inference.source import photo_of
from maskery.models.store import Store
from maskery.serving.runtime.memory_budget import settle_allocator
from tests.material import photo

NO_LIMIT = 1 << 40
TILED = RunOptions(tile=1536)


@lru_cache(maxsize=1)
def at(megapixels: int) -> NDArray[np.uint8]:
    """A photograph of this size, 4 : 3."""
    height = round((megapixels * 750_000) ** 0.5)
    return np.asarray(Image.fromarray(photo("astronaut")).resize((height * 4 // 3, height)))


def saved(pixels: NDArray[np.uint8], kind: str) -> bytes:
    file = io.BytesIO()
    bands = (pixels[top : top + 64] for top in range(0, len(pixels), 64))
    size = (pixels.shape[1], pixels.shape[0])
    if kind == "png":
        return png.photo(bands, size, 3)
    if kind == "transparent":
        return png.photo((np.dstack([band, band[..., 0]]) for band in bands), size, 4)
    exif = Image.Exif()
    exif[274] = 6 if kind == "turned" else 1
    Image.fromarray(pixels).save(file, "JPEG", quality=85, exif=exif, progressive=kind == "progressive")
    return file.getvalue()


def case(model: Model, data: bytes, format: str, run_options: RunOptions, share: float) -> tuple[str, int, int]:
    """``share``: of what it takes as it comes, the part that it may take."""
    give_back()
    before = resident_bytes()
    own = bytes(bytearray(data))
    picture = decode.open_picture(own, max_bytes=NO_LIMIT, max_pixels=NO_LIMIT)
    demand = ENCODERS[format].demand
    budget = int(share * model.plan(picture, run_options, demand).need_bytes) if share < 1 else None
    plan = model.plan(picture, run_options, demand, budget)
    reset_peak()
    found = model.follow(plan, picture)
    encode(found, format, photo_of(picture, plan))
    return f"{picture.size_wh} {format}: {plan.header()}", plan.need_bytes, peak_since_reset() - before


def cases() -> Iterator[tuple[int, str, str, RunOptions, float]]:
    """(megapixels, kind, format, wish, share)"""
    for megapixels, kinds in ((1, ("jpeg", "png")), (12, ("jpeg", "png", "progressive", "transparent", "turned"))):
        for kind in kinds:
            for format in ("mask", "overlay"):
                yield megapixels, kind, format, RunOptions(), 1.0
    for format in ("json", "cutout", "npy", "overlay-jpeg", "summary"):
        yield 12, "png", format, RunOptions(), 1.0
    yield 12, "jpeg", "mask", RunOptions(max_side=1024), 1.0
    for kind, format in (("png", "mask"), ("png", "overlay"), ("jpeg", "mask")):
        yield 24, kind, format, RunOptions(), 0.8
        yield 24, kind, format, TILED, 1.0


def main() -> None:
    decode.trust_own_pixel_limit()
    settle_allocator()
    located = Store(load_settings({})).locate("everyday")
    model = load_model(located.card, located.path, threads=2)
    model = replace(model, footprint=measure_footprint(model.session, model.card))
    model.run(decode.open_picture(photo("astronaut"), max_bytes=NO_LIMIT, max_pixels=NO_LIMIT))
    known: tuple[int, str, bytes] = (0, "", b"")
    for megapixels, kind, format, run_options, share in cases():
        if known[:2] != (megapixels, kind):
            known = megapixels, kind, saved(at(megapixels), kind)
        sys.stdout.write(json.dumps(case(model, known[2], format, run_options, share)) + "\n")


if __name__ == "__main__":
    main()
