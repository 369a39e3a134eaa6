"""What a model takes of memory, in a process of its own: ``python -m maskery.measuring.weighing MODEL PICTURE...``."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maskery.errors import ModelError


@dataclass(frozen=True)
class Weight:
    """Bytes of the whole process, Python and runtime included; 0 where the system does not say. ``loaded``: with the
    model loaded, before the first picture; ``peak``: the most until the last one.
    """

    loaded: int
    peak: int


def weigh(model: str, pictures: Sequence[Path]) -> Weight:
    """Load the model in a new process and run it on the pictures, one after another. Raises ``ModelError``."""
    command = [sys.executable, "-m", "maskery.measuring.weighing", model, *map(str, pictures)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it was ended"]
        raise ModelError(f"The process that weighs {model} failed: {last[0]}.", "Free memory, or name fewer pictures.")
    return Weight(**json.loads(done.stdout))


def main(model: str, pictures: Sequence[str]) -> str:
    """A ``Weight`` as JSON: this process's own."""
    from maskery.api import open_segmenter
    from maskery.measuring.segmentation import open_picture
    from maskery.process_memory import peak_bytes, resident_bytes
    from maskery.settings import load_settings

    segmenter = open_segmenter(model, load_settings())
    loaded = resident_bytes()
    for path in pictures:
        segmenter.model.run(open_picture(Path(path)))
    return json.dumps({"loaded": loaded, "peak": peak_bytes()})


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1], sys.argv[2:]))
