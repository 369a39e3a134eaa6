import numpy as np
import pytest

from maskery.core.errors import BadRequest
from maskery.encode.options import PLAIN_OPTIONS, Options
from maskery.encode.raster.confidence import encode_confidence, encode_entropy, encode_margin
from tests.encode.results import halves, opened, semantic, with_maps

FUNCTIONS = {"confidence": encode_confidence, "entropy": encode_entropy, "margin": encode_margin}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("depth", "mode"), [(8, "L"), (16, "I;16")])
def test_white_is_one(name: str, depth: int, mode: str) -> None:
    result = with_maps(halves(300, 400))
    result.maps[name][0, :3] = (0, 1, 1.00001)
    picture = opened(FUNCTIONS[name](result, Options(depth=depth)))
    white = 2**depth - 1
    assert picture.mode == mode
    grey = np.asarray(picture).astype(float)
    assert grey[0, :3].tolist() == [0, white, white]
    np.testing.assert_allclose(grey / white, result.maps[name], atol=0.5001 / white + 2e-5)


def test_a_map_that_was_not_asked_for() -> None:
    with pytest.raises(BadRequest, match=r"no margin map.*maps=\('margin',\)"):
        encode_margin(semantic(halves()), PLAIN_OPTIONS)
