"""What ``maskery video`` writes is decoded by a browser: every codec, its length, its colours, its sound."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from maskery.jobs.drawing import DrawOptions
from maskery.jobs.video import VideoJob, VideoRun
from maskery.jobs.video_options import OutputPaths, VideoOptions
from tests.films import film, scene, see_objects

PLAY = """async data => {
  const video = document.createElement("video");
  const done = event => new Promise((resolve, reject) => {
    video.addEventListener(event, resolve, {once: true});
    video.addEventListener("error", () => reject(new Error(video.error.message)), {once: true});
  });
  video.muted = true;
  let ready = done("loadeddata");
  video.src = URL.createObjectURL(new Blob([Uint8Array.from(data)]));
  await ready;
  ready = done("seeked");
  video.currentTime = 0.81;
  await ready;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  return {size: [video.videoWidth, video.videoHeight], seconds: video.duration,
          sound: Boolean(video.webkitAudioDecodedByteCount), red: [...context.getImageData(38, 16, 1, 1).data]};
}"""


@pytest.mark.parametrize(("format", "codec"), [("webm", "vp9"), ("webm", "av1"), ("mp4", "h264"), ("mp4", "av1")])
def test_a_browser_plays_it(browser: Browser, tmp_path: Path, format: str, codec: str) -> None:
    clip = film(tmp_path / "clip.mp4", (scene(i) for i in range(30)), sound=True)
    options = VideoOptions(
        formats=(format,), codec=codec, part_frames=12, draw=DrawOptions(style="outlines", labels=False)
    )
    options = replace(options, follow=replace(options.follow, track=False))
    paths = OutputPaths(tmp_path / f"out.{format}", (format,))
    VideoRun(VideoJob(video=clip, model="", paths=paths, options=options), see_objects).run()
    (tmp_path / "page.html").write_text("<!doctype html><title>video</title>")
    context = browser.new_context()
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    found: dict[str, Any] = page.evaluate(PLAY, list(paths.of(format).read_bytes()))
    context.close()
    assert found["size"] == [96, 64]
    assert 1.15 < found["seconds"] < 1.3
    assert found["sound"]
    red, green, blue, _ = found["red"]
    assert red > 150
    assert max(green, blue) < 90
