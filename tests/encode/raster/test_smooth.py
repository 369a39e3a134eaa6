import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from maskery.encode.raster.cutout import smoothed

CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)


def by_scipy(alpha: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The same, out of scipy's parts."""
    eroded = ndimage.grey_erosion(alpha, footprint=CROSS, mode="constant", cval=255)
    opened = ndimage.grey_dilation(eroded, footprint=CROSS, mode="constant", cval=0).astype(np.float64)
    kernel = np.exp(-(np.arange(-2, 3) ** 2) / 8)
    for axis in (0, 1):
        opened = ndimage.correlate1d(opened, kernel / kernel.sum(), axis, mode="mirror")
    decided: NDArray[np.bool_] = opened >= 126.5
    return decided


@pytest.mark.parametrize("shape", [(40, 60), (300, 301), (3, 4), (1, 9), (9, 1), (1, 1), (2, 2)])
def test_it_is_opening_blur_and_threshold(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(sum(shape))
    soft = ndimage.gaussian_filter(rng.random(shape), 3, mode="mirror") if min(shape) > 4 else rng.random(shape)
    for alpha in (np.round(255 * (soft - soft.min()) / max(np.ptp(soft), 1e-9)), 255 * (rng.random(shape) < 0.6)):
        ours = smoothed(alpha.astype(np.uint8))
        assert set(np.unique(ours)) <= {0, 255}
        assert np.array_equal(ours == 255, by_scipy(alpha.astype(np.uint8)))


def test_specks_go_and_areas_stay() -> None:
    alpha = np.zeros((50, 50), np.uint8)
    alpha[5, 5] = 255
    alpha[20:40, 20:40] = 255
    ours = smoothed(alpha)
    assert ours[5, 5] == 0
    assert (ours[22:38, 22:38] == 255).all()
    assert (smoothed(np.full((20, 30), 255, np.uint8)) == 255).all()
