"""The pictures of docs/video.md: a video made of two free photographs, through three models in four styles.

    make video-pictures          # MIRROR=folder of the catalogue's files

A cat and an astronaut (scikit-image's samples, CC0 and public domain) pass each other; frames of the results become
docs/images/video.jpg.
"""

import os
import sys
import tempfile
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from maskery.core.settings import load_settings
from maskery.jobs.open_video import open_run
from maskery.jobs.video_request import VideoRequest

WIDTH, HEIGHT, SIDE, FRAMES, SHOWN = 640, 320, 208, 50, 33
TARGET = Path(__file__).parents[1] / "docs" / "images" / "video.jpg"
PANELS = (
    VideoRequest(model="everyday", style="masks"),
    VideoRequest(model="faces", style="blur"),
    VideoRequest(model="nanodet-m-coco", style="boxes", lines=("gate=320,0,320,320",)),
    VideoRequest(model="everyday", style="cutout", color="#0b6b66"),
)


def frame(index: int) -> NDArray[np.uint8]:
    """(320, 640, 3): the cat goes right, the astronaut left, on a floor of one grey."""
    shade = np.linspace(120, 190, HEIGHT).astype(np.uint8)
    picture = Image.fromarray(np.repeat(np.repeat(shade[:, None, None], WIDTH, 1), 3, 2))
    cat = Image.fromarray(data.chelsea()).crop((60, 0, 360, 300)).resize((96, 96))
    astronaut = Image.fromarray(data.astronaut()).resize((SIDE, SIDE))
    picture.paste(astronaut, (420 - 6 * index, HEIGHT - SIDE))
    picture.paste(cat, (60 + 8 * index, 8))
    return np.asarray(picture)


def panel(clip: Path, request: VideoRequest, folder: Path) -> Image.Image:
    """Frame ``SHOWN`` of the result."""
    target = folder / f"{request.model}-{request.style}.webm"
    open_run(clip, target, request, load_settings()).run()
    with av.open(str(target)) as container:
        frames = list(container.decode(video=0))
    return frames[SHOWN].to_image()


def main() -> None:
    """Write ``TARGET``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = folder / "clip.mkv"
        with av.open(str(clip), "w") as container:
            stream = container.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
            for index in range(FRAMES):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame(index), format="rgb24")))
            container.mux(stream.encode(None))
        whole = Image.new("RGB", (2 * WIDTH, 2 * HEIGHT))
        for number, request in enumerate(PANELS):
            whole.paste(panel(clip, request, folder), (WIDTH * (number % 2), HEIGHT * (number // 2)))
    TARGET.parent.mkdir(exist_ok=True)
    whole.save(TARGET, quality=85)
    sys.stderr.write(f"wrote {os.path.relpath(TARGET)}\n")


if __name__ == "__main__":
    main()
