"""Part: pictures of 400 megapixels through a server of 600 MB."""

import http.client
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.report import Check, Section, Table
from benchmarks.rounds import QUICK, Plan
from benchmarks.server import serving
from maskery.encode.raster import png
from maskery.models.store import CHECK_PICTURE

TITLE = "Huge pictures"
MEMORY = "600MB"
LIMIT_MB = 600.0
SIDE = 20_000
QUICK_SIDE = 6_000
SECONDS = 900
VARIABLES = {
    "MASKERY_MEMORY": MEMORY,
    "MASKERY_MAX_PIXELS": "500000000",
    "MASKERY_MAX_BYTES": "200000000",
    "MASKERY_TIMEOUT": str(SECONDS),
}
ENLARGED = 16  # times, of the photograph that the PNG repeats: its file stays below a fifth of the memory


@dataclass(frozen=True)
class Answer:
    """``plan``: the header of the answer, or the problem's text where it was none."""

    seconds: float
    before_mb: float
    peak_mb: float
    after_mb: float
    body_mb: float
    status: int
    plan: str


def measure(plan: Plan) -> Section:
    side = QUICK_SIDE if plan == QUICK else SIDE
    photo = np.asarray(Image.open(CHECK_PICTURE).convert("RGB"))
    rows, checks = [], []
    for name, data in (("JPEG", repeated_jpeg(photo, side)), ("PNG", enlarged_png(photo, side))):
        for query in ("format=mask", "format=json", "format=mask&tile=0"):
            answer = _ask(data, query)
            check = Check(f"peak memory, {side:,} x {side:,} {name}, {query}", answer.peak_mb, LIMIT_MB, "MB")
            checks.append(check)
            rows.append((
                f"{name}, {len(data) / 1e6:.0f} MB",
                f"`{query}`",
                str(answer.status),
                f"{answer.seconds:.1f}",
                f"{answer.before_mb:.0f}",
                f"{answer.peak_mb:.0f}",
                check.verdict,
                f"{answer.after_mb:.0f}",
                f"{answer.body_mb:.1f}",
                f"`{answer.plan}`",
            ))  # fmt: skip
    header = (
        "picture", "query", "status", "seconds", "before, MB", "peak, MB", f"{LIMIT_MB:g} MB", "after, MB",
        "answer, MB", "plan",
    )  # fmt: skip
    how = (
        f"A photograph repeated to {side:,} x {side:,} pixels as JPEG, and as PNG enlarged {ENLARGED}-fold before, "
        f"each sent once to a fresh server with `--memory {MEMORY}`. The peak includes the picture's own bytes."
    )
    return Section(TITLE, how, [("", Table(header, rows, numbers_from=2))], checks)


def repeated_jpeg(photo: NDArray[np.uint8], side: int) -> bytes:
    """(side, side) of the photograph again and again."""
    import pyvips

    times = -(-side // min(photo.shape[:2]))
    whole = pyvips.Image.new_from_array(photo).replicate(times, times).crop(0, 0, side, side)
    data: bytes = whole.copy(interpretation="srgb").jpegsave_buffer(Q=75)
    return data


def enlarged_png(photo: NDArray[np.uint8], side: int) -> bytes:
    """The same of larger pixels, which compress well."""
    wide = np.repeat(photo, ENLARGED, axis=1)
    wide = np.tile(wide, (1, -(-side // wide.shape[1]), 1))[:, :side]

    def bands() -> Iterator[NDArray[np.uint8]]:
        for top in range(0, side, ENLARGED):
            row = wide[top // ENLARGED % len(wide)]
            yield np.repeat(row[None], min(ENLARGED, side - top), axis=0)

    return png.photo(bands(), (side, side), channels=3)


def _ask(data: bytes, query: str) -> Answer:
    with serving(variables=VARIABLES) as server:
        before, started = server.memory_mb("VmRSS"), time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
        connection.request("POST", f"/v1/segment?{query}", data)
        response = connection.getresponse()
        body = response.read()
        seconds = time.perf_counter() - started
        connection.close()
        said = response.getheader("Maskery-Plan") or body[:300].decode("utf-8", "replace")
        peak, after = server.memory_mb("VmHWM"), server.memory_mb("VmRSS")
        return Answer(seconds, before, peak, after, len(body) / 1e6, response.status, said)
