"""Bands, bits and percentiles of scientific pictures -> RGB of 8 bits, through the command line too."""

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

from maskery.cli.main import cli
from maskery.core.errors import BadRequest, PictureError
from maskery.core.picture import stream
from maskery.core.picture.levels import LevelOptions, read_levels
from tests.material import decoded, encoded, photo

GREY = photo("chelsea")[::4, ::4, 1]
needs_vips = pytest.mark.skipif(not stream.available(), reason="libvips is not installed")


def tiff(values: NDArray[np.generic]) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, photometric="minisblack", planarconfig="contig")
    return file.getvalue()


def test_twelve_bits_of_sixteen_are_the_picture_of_eight() -> None:
    found = read_levels(GREY.astype(np.uint16) * 16, LevelOptions(bits=12))
    assert np.abs(found.astype(int) - GREY[..., None]).max() <= 1
    assert read_levels(GREY.astype(np.uint16) * 16, LevelOptions()).max() < 20  # as stored: nearly black
    np.testing.assert_array_equal(read_levels(GREY, LevelOptions())[..., 0], GREY)


@needs_vips
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.int16])
def test_bands_of_any_type_by_percentiles(dtype: type[np.generic]) -> None:
    values = np.stack([GREY, GREY.T[: len(GREY), :1].repeat(GREY.shape[1], 1), 255 - GREY, GREY // 2], axis=-1)
    found = read_levels(tiff(values.astype(dtype)), LevelOptions(bands=(3, 1, 4), stretch=True))
    assert found.shape == (*GREY.shape, 3)
    assert [found[..., i].min() for i in range(3)] == [0, 0, 0]
    assert [found[..., i].max() for i in range(3)] == [255, 255, 255]
    assert np.corrcoef(found[..., 1].ravel(), GREY.ravel())[0, 1] > 0.98
    assert np.corrcoef(found[..., 0].ravel(), GREY.ravel())[0, 1] < -0.98


@needs_vips
def test_the_command_line_reads_them(tmp_path: Path) -> None:
    color = photo("chelsea")[::4, ::4]
    many = np.concatenate([color[..., ::-1], color[..., :1]], axis=-1).astype(np.uint16) * 16
    (tmp_path / "s2.tif").write_bytes(tiff(many))
    (tmp_path / "plain.png").write_bytes(encoded(color))

    def run(*words: str) -> bytes:
        done = CliRunner().invoke(cli, ["segment", *words], standalone_mode=False)
        if done.exception:
            raise done.exception
        return done.stdout_bytes

    found = decoded(run(str(tmp_path / "s2.tif"), "--bands", "3,2,1", "--bits", "12"))
    assert (found == decoded(run(str(tmp_path / "plain.png")))).mean() > 0.99
    with pytest.raises(BadRequest, match="The picture has 4 bands"):
        run(str(tmp_path / "s2.tif"), "--stretch")
    with pytest.raises(BadRequest, match="--bands is 'red'"):
        run(str(tmp_path / "s2.tif"), "--bands", "red")
    with pytest.raises(PictureError):
        read_levels(b"II*\0nothing", LevelOptions(stretch=True))


@pytest.mark.parametrize(
    "wrong", [{"bands": (1, 2)}, {"bands": (0,)}, {"bits": 7}, {"bits": 17}, {"bits": 12, "stretch": True}]
)
def test_what_says_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadRequest):
        LevelOptions(**wrong)  # type: ignore[arg-type]


def test_values_without_a_range_need_percentiles() -> None:
    with pytest.raises(BadRequest, match="range of float64 is not known"):
        read_levels(GREY / 255.0, LevelOptions())
    assert read_levels(np.full((4, 4), np.nan), LevelOptions(stretch=True)).max() == 0
    assert Image.fromarray(read_levels(GREY, LevelOptions(stretch=True))).getextrema()[0] == (0, 255)
