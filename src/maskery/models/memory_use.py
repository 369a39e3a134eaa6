"""The memory of a model, measured in a process of its own:
``python -m maskery.models.memory_use MODEL PICTURE...``.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from maskery.core.errors import ModelError
from maskery.evaluation.measurement import MemoryUse


def measure_memory(model: str, pictures: Sequence[Path]) -> MemoryUse:
    """Load the model in a new process and run it on the pictures, one after another. Raises ``ModelError``."""
    command = [sys.executable, "-m", "maskery.models.memory_use", model, *map(str, pictures)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it was ended"]
        raise ModelError(f"The process that weighs {model} failed: {last[0]}.", "Free memory, or name fewer pictures.")
    return MemoryUse(**json.loads(done.stdout))


def main(model: str, pictures: Sequence[str]) -> str:
    """A ``MemoryUse`` as JSON: this process's own."""
    from maskery.core.process_memory import peak_bytes, resident_bytes
    from maskery.core.settings import load_settings
    from maskery.evaluation.segmentation import open_picture
    from maskery.models.segmenter import open_segmenter

    segmenter = open_segmenter(model, load_settings())
    loaded = resident_bytes()
    for path in pictures:
        segmenter.model.run(open_picture(Path(path)))
    return json.dumps({"loaded": loaded, "peak": peak_bytes()})


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1], sys.argv[2:]))
