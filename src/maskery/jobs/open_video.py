"""From what is asked of a video to the run that does it."""

from collections.abc import Callable
from pathlib import Path

from maskery.core.settings import Settings
from maskery.inference.video.sources import VideoInput
from maskery.jobs.video import VideoJob, VideoProgress, VideoRun
from maskery.jobs.video_options import OutputPaths
from maskery.jobs.video_request import VideoRequest
from maskery.models.segmenter import open_segmenter


def open_run(
    video: VideoInput,
    target: Path,
    request: VideoRequest,
    settings: Settings,
    progress: Callable[[VideoProgress], None] = lambda at: None,
    resume: bool = True,
) -> VideoRun:
    """The run of a request, its model loaded: ``run()`` it, ``stop()`` it from anywhere.

    Opened once more with the same arguments after a stop or a kill, it goes on at the last whole part (``resume``), of
    a file or a folder; else it begins. ``target``: a file, or what the names of several files begin with. Raises
    ``BadRequest``, and as ``open_segmenter`` does.
    """
    options = request.options(settings.max_pixels)
    segmenter = open_segmenter(request.model or settings.model[0], settings)
    card, follow = segmenter.card, options.follow
    least = follow.tracker.least if follow.track else None
    job = VideoJob(
        video=video,
        model=f"{card.name}@{card.version} {card.sha256}",
        paths=OutputPaths(target, options.formats),
        options=options,
        resume=resume,
    )
    return VideoRun(job, segmenter.looking(options.run, least), progress)
