"""Arrays that are no objects are refused; there and back is in tests/encode/test_single_objects.py."""

import pytest

from maskery.encode.raster.object_arrays import object_arrays, objects_of
from tests.encode.results import instances


def test_arrays_that_do_not_fit_together() -> None:
    result = instances()
    arrays = object_arrays(result.instances)
    assert len(objects_of(arrays, result.meta).instances) == 3
    with pytest.raises(ValueError, match="runs of"):
        objects_of(arrays | {"mask_counts": arrays["mask_counts"][:1]}, result.meta)
    with pytest.raises(ValueError, match=r"shorter|longer"):
        objects_of(arrays | {"object_id": arrays["object_id"][:1]}, result.meta)
    with pytest.raises(KeyError):
        objects_of({name: array for name, array in arrays.items() if name != "object_box"}, result.meta)
