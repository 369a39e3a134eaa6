"""Run by test_face_memory in a process of its own: what pictures with faces really take, beside what was estimated.

Prints one JSON line a case: [what it is, estimated bytes, measured bytes].
"""

import json
import sys
import tempfile
from pathlib import Path

from maskery.core.picture import decode
from maskery.core.plan import RunOptions
from maskery.serving.runtime.memory_budget import settle_allocator
from tests.face_models import cascade, scene
from tests.inference.planning.memory_probe import NO_LIMIT, case, saved

FACES = ((200, 300, 800), (1600, 400, 1000), (300, 1800, 600), (2000, 1900, 400), (3400, 400, 200))


def main() -> None:
    decode.trust_own_pixel_limit()
    settle_allocator()
    with tempfile.TemporaryDirectory() as folder:
        model = cascade(Path(folder)).measured()
    small = decode.open_picture(scene((400, 300), (60, 60, 100)), max_bytes=NO_LIMIT, max_pixels=NO_LIMIT)
    model.run(small)
    pixels, large = scene((4000, 3000), *FACES), scene((4000, 6000), *FACES)
    data = {kind: saved(pixels, kind) for kind in ("png", "jpeg", "turned")} | {"large": saved(large, "png")}
    for kind, format, run_options, share in (
        ("png", "mask", RunOptions(), 1.0),
        ("png", "overlay", RunOptions(), 1.0),
        ("jpeg", "mask", RunOptions(), 1.0),
        ("turned", "json", RunOptions(max_side=256), 1.0),
        ("png", "npz", RunOptions(maps=("confidence",)), 1.0),
        ("large", "mask", RunOptions(), 0.8),
    ):
        sys.stdout.write(json.dumps(case(model, data[kind], format, run_options, share)) + "\n")


if __name__ == "__main__":
    main()
