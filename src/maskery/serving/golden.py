"""The check that a model gives its stored answer to the stored picture, before it answers anybody."""

import logging
from pathlib import Path

from maskery import image
from maskery.errors import MaskeryError, ModelError
from maskery.pipeline import Model
from maskery.result import ClassificationResult, ForegroundResult, Result
from maskery.zoo.store import CHECK_PICTURE

log = logging.getLogger("maskery")


def check(model: Model, picture: Path = CHECK_PICTURE) -> str:
    """Run the stored picture and compare with the card's stored answer: "ok", or what is wrong."""
    try:
        result = model.run(image.open_picture(picture, max_bytes=1 << 24, max_pixels=1 << 24))
        expected = model.card.check
        wrong = _differences(result, expected.shares, expected.tolerance) if expected else []
    except MaskeryError as error:
        raise ModelError(f"{model.card.name} failed its check: {error}", "See the cause.") from error
    if wrong:
        log.error("%s does not give its stored answer: %s", model.card.name, "; ".join(wrong))
    return "; ".join(wrong) or "ok"


def _differences(result: Result, expected: dict[str, float], tolerance: float) -> list[str]:
    if isinstance(result, ClassificationResult):
        first = result.top(1)[0][0]
        return [] if first in expected else [f"first class is {first!r}, expected {', '.join(expected)}"]
    classes = (result.as_semantic if isinstance(result, ForegroundResult) else result).classes
    shares = {item.name: item.share for item in classes}
    return [
        f"{name} covers {shares.get(name, 0.0):.3f}, expected {share:.3f}"
        for name, share in expected.items()
        if abs(shares.get(name, 0.0) - share) > tolerance
    ]
