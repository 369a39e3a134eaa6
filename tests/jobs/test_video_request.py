"""A request as JSON, and the run that is opened for it once more after a stop."""

from pathlib import Path

import msgspec
import pytest

from maskery.core.errors import BadRequest
from maskery.core.settings import load_settings
from maskery.jobs.open_video import open_run
from maskery.jobs.video import VideoProgress
from maskery.jobs.video_request import VideoRequest, request_from
from tests.films import decoded, film, scene


def test_json_carries_a_request() -> None:
    request = VideoRequest(formats=("mp4", "csv"), lines=("gate=1,2,3,4",), end=2.5, max_side=64)
    assert request_from(msgspec.json.decode(msgspec.json.encode(request))) == request


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"stile": "blur"}, "Did you mean 'style'?"),
        ({"every": "two"}, "every"),
        ({"formats": "webm"}, "formats"),
    ],
)
def test_unknown_options_and_values_are_refused(document: dict[str, object], words: str) -> None:
    with pytest.raises(BadRequest, match=words.replace("?", r"\?")):
        request_from(document)


@pytest.mark.parametrize("wrong", [{"sure": 0.0}, {"color": "red"}, {"style": "x"}, {"lost": -1.0}, {"formats": ["a"]}])
def test_what_cannot_be_done_is_refused_before_a_model_is_loaded(wrong: dict[str, object]) -> None:
    with pytest.raises(BadRequest):
        request_from(wrong).options(1000)


def test_a_run_opened_again_goes_on(tmp_path: Path) -> None:
    clip = film(tmp_path / "clip.mkv", (scene(i) for i in range(6)), codec="ffv1", form="bgr0")
    request, settings = VideoRequest(max_side=96, formats=("webm",)), load_settings()

    def progress(at: VideoProgress) -> None:
        if at.done == 3:
            run.stop()

    run = open_run(clip, tmp_path / "out.webm", request, settings, progress)
    assert not run.run().finished
    assert len(decoded(tmp_path / "out.webm")) == 3
    assert open_run(clip, tmp_path / "out.webm", request, settings).run().finished
    assert len(decoded(tmp_path / "out.webm")) == 6
