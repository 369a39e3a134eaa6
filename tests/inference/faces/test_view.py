import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from maskery.core.picture import decode, stream
from maskery.core.picture.decode import Picture
from maskery.inference.faces.region import Region, whole
from maskery.inference.faces.view import View, fine_enough, views, whole_view
from tests.material import photo

PAD = 7


def opened(array: NDArray[np.uint8], orientation: int = 1, format: str = "PNG") -> Picture:
    exif = Image.Exif()
    exif[274] = orientation
    file = io.BytesIO()
    Image.fromarray(array).save(file, format, exif=exif, quality=95)
    return decode.open_picture(file.getvalue(), max_bytes=1 << 30, max_pixels=1 << 30)


def plain(array: NDArray[np.uint8], window: Region, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    box = window.xyxy
    return np.asarray(Image.fromarray(array).resize(size_wh, Image.Resampling.BILINEAR, box=box))


def test_a_crop_within_is_pillows_resize_of_that_box() -> None:
    array, window = photo("astronaut"), Region(100.25, 50.5, 200.5, 150.0)
    for pixels in (array, Image.fromarray(array)):
        crop = View(pixels, whole((512, 512))).crop(window, (60, 45), PAD)
        assert np.array_equal(np.asarray(crop), plain(array, window, (60, 45)))


def test_outside_is_padded_and_inside_keeps_its_place() -> None:
    ramp = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 100, 0).repeat(3, 2)
    crop = np.asarray(View(ramp, whole((200, 100))).crop(Region(-50, -50, 200, 200), (100, 100), PAD))
    assert (crop[:25] == PAD).all()
    assert (crop[:, :25] == PAD).all()
    assert (crop[75:] == PAD).all()
    assert np.abs(crop[50, 25:, 0].astype(float) - (2 * np.arange(75) + 0.5)).max() <= 1


def test_a_window_beyond_the_picture_is_padding() -> None:
    crop = np.asarray(View(photo("astronaut"), whole((512, 512))).crop(Region(600, 600, 50, 50), (10, 10), PAD))
    assert (crop == PAD).all()


def test_one_pixel_is_enough() -> None:
    crop = View(np.full((1, 1, 3), 200, np.uint8), whole((1, 1))).crop(Region(-0.5, -0.5, 2, 2), (8, 8), PAD)
    assert np.asarray(crop)[2:6, 2:6].min() == 200
    assert np.asarray(crop)[0].max() == PAD


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("window", [Region(100, 60, 160, 160), Region(-40, 300, 200, 200), Region(0, 0, 512, 512)])
def test_bands_show_what_the_whole_shows(orientation: int, window: Region) -> None:
    if not stream.available():
        pytest.skip("needs the extra huge")
    array = photo("astronaut")[:, 30:]
    picture = opened(array, orientation)
    seen = whole_view(picture, picture.size_wh, "whole")
    (one,) = views(picture, [window], (40, 40), "whole", seen)
    (other,) = views(picture, [window], (40, 40), "bands", seen)
    first, second = (np.asarray(view.crop(window, (40, 40), PAD)).astype(int) for view in (one, other))
    apart = np.abs(first - second).mean()
    assert apart < 3, "shrunk twice in bands, so a little softer"
    for axis in (0, 1):
        assert apart < 0.4 * np.abs(np.roll(first, 1, axis) - second).mean(), "a pixel aside"
    assert other.size_wh[0] < picture.size_wh[0]


def test_a_jpeg_is_decoded_no_larger_than_the_crops_need() -> None:
    picture = opened(np.tile(photo("astronaut"), (4, 4, 1)), format="JPEG")
    small = whole_view(picture, (200, 200), "whole")
    assert small.size_wh == (256, 256)
    (same,) = views(picture, [Region(0, 0, 2048, 2048)], (100, 100), "whole", small)
    assert same is small
    (finer,) = views(picture, [Region(0, 0, 400, 400)], (100, 100), "whole", small)
    assert finer.size_wh == (1024, 1024)
    assert fine_enough((2048, 2048), [Region(0, 0, 50, 50)], (100, 100)) == (2048, 2048)
