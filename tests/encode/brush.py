"""A reader of Label Studio's brush masks, plain and slow."""

import numpy as np
from numpy.typing import NDArray


def decode_brush(data: bytes) -> NDArray[np.bool_]:
    """``value.rle`` -> (H * W,) bool, from the alpha of every pixel, after checking that all four channels agree."""
    bits = "".join(f"{byte:08b}" for byte in data)
    place = 0

    def take(count: int) -> int:
        nonlocal place
        place += count
        return int(bits[place - count : place], 2)

    total, word = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < total:
        run, size = take(1), sizes[take(2)]
        length = take(size) + 1
        values += [take(word)] * length if run else [take(word) for _ in range(length)]
    assert set(values) <= {0, 255}
    pixels = np.array(values, np.uint8).reshape(-1, 4)
    assert (pixels == pixels[:, 3:]).all()
    return pixels[:, 3] == 255
