"""What a result has is what its class has; whoever asks for more is told what there is instead."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from maskery.core.errors import BadRequest
from maskery.core.result.banded import BandedForegroundResult, BandedSemanticResult, pack
from maskery.core.result.capabilities import (
    HasAlpha,
    HasAlphaRows,
    HasClasses,
    HasClassMap,
    HasInstances,
    HasMaps,
    HasScores,
    HasWhole,
    capable,
    expect,
    has,
    in_one_piece,
)
from maskery.core.result.instances import InstanceResult
from maskery.core.result.meta import Meta
from maskery.core.result.types import ClassificationResult, ForegroundResult, SemanticResult
from tests.encode.results import classification, foreground, halves, instances, semantic

EVERY = (HasClasses, HasClassMap, HasAlphaRows, HasAlpha, HasScores, HasMaps, HasInstances, HasWhole)
EXPECTED: dict[type, set[type]] = {
    SemanticResult: {HasClasses, HasClassMap, HasMaps},
    ForegroundResult: {HasClasses, HasClassMap, HasAlphaRows, HasAlpha},
    ClassificationResult: {HasScores},
    InstanceResult: {HasInstances},
    BandedSemanticResult: {HasClasses, HasWhole},
    BandedForegroundResult: {HasClasses, HasAlphaRows, HasWhole},
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_what_each_type_has(kind: type) -> None:
    assert {capability for capability in EVERY if has(kind, capability)} == EXPECTED[kind]


@dataclass(frozen=True)
class HeightResult:
    """A result that only this test knows: metres above the ground; it has a soft mask too, in rows."""

    meta: Meta
    metres: NDArray[np.float32]

    @property
    def opaque_from(self) -> int:
        raise AssertionError("a property is not called to find out whether it is there")

    def alpha_rows(self) -> Iterator[NDArray[np.uint8]]:
        yield np.full(self.metres.shape, 7, np.uint8)


def test_a_type_that_nobody_knows_has_what_its_class_has() -> None:
    result = HeightResult(semantic(halves()).meta, np.zeros((12, 16), np.float32))
    assert {capability for capability in EVERY if has(result, capability)} == {HasAlphaRows}
    soft = capable(result, HasAlphaRows)
    assert soft is not None
    assert next(soft.alpha_rows())[0, 0] == 7


def test_what_is_missing_is_said_with_what_is_there() -> None:
    with pytest.raises(BadRequest, match=r"classification result has no class map.*scores of the whole picture"):
        expect(classification(), HasClassMap)
    with pytest.raises(BadRequest, match=r"semantic result has no soft mask.*class map, maps of certainty"):
        expect(semantic(halves()), HasAlpha)
    with pytest.raises(BadRequest, match=r"no scores.*single objects"):
        expect(instances(), HasScores)
    assert capable(instances(), HasAlpha) is None


def test_what_is_there_is_the_result_itself() -> None:
    result = foreground(halves() * 100)
    assert expect(result, HasAlpha) is result
    assert in_one_piece(result) is result


def test_bands_in_one_piece() -> None:
    result = semantic(halves())
    whole = in_one_piece(BandedSemanticResult(result.meta, pack([result.class_map]), result.decided_by))
    np.testing.assert_array_equal(expect(whole, HasClassMap).class_map, result.class_map)


def test_a_soft_mask_is_a_class_map_at_its_threshold() -> None:
    alpha = np.array([[0, 127, 128, 255]], np.uint8)
    result = foreground(alpha)
    assert result.class_map.tolist() == [[0, 0, 1, 1]]
    assert [(share.name, share.pixels) for share in result.classes] == [("background", 2), ("person", 2)]
    banded = BandedForegroundResult(result.meta, pack([alpha]))
    assert next(banded.rows()).tolist() == [[0, 0, 1, 1]]
    assert banded.whole().alpha.tolist() == alpha.tolist()
    assert (banded.classes, banded.decided_by, banded.unlabelled) == (result.classes, result.decided_by, 255)
    for one in (result, banded):
        assert one.keep(["person"]) is one
        with pytest.raises(BadRequest, match="person"):
            one.keep(["persn"])
